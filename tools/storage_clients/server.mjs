// A server of Stoa that a journey starts, kills and starts again, and what any journey needs of it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, openSync, readFileSync } from "node:fs";

const PASSWORD = "journeys-are-no-secret";

export class Server {
  #process;
  #ended;

  constructor(program, folder, port, settings = {}) {
    this.settings = settings;
    this.program = program;
    this.folder = folder;
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
  }

  #log() {
    mkdirSync(this.folder, { recursive: true });
    return openSync(`${this.folder}.log`, "a");
  }

  async start() {
    const off = Object.fromEntries(
      ["GATEWAY__RATE_LIMIT__PER_ADDRESS", "GATEWAY__RATE_LIMIT__PER_USER", "AUTH__RATE_LIMIT__REGISTER_PER_ADDRESS"].map(
        (name) => [`STOA_${name}`, "off"],
      ),
    );
    const env = { ...process.env, ...off, STOA_GATEWAY__ACCESS_LOG: "false", STOA_AUTH__PASSWORD__MEMORY_KIB: "64", ...this.settings };
    const listen = `127.0.0.1:${this.port}`;
    this.#process = spawn(this.program, ["--data-dir", this.folder, "serve", "--listen", listen], {
      env,
      stdio: ["ignore", this.#log(), this.#log()],
    });
    this.#ended = once(this.#process, "exit");
    for (let attempt = 0; attempt < 600; attempt++) {
      if (this.#process.exitCode !== null) throw new Error(readFileSync(`${this.folder}.log`, "utf8"));
      const ready = await fetch(`${this.url}/health/ready`).catch(() => null);
      if (ready?.ok) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error("the server is not ready");
  }

  /** Ends the process at once, in the middle of whatever it does. */
  async kill() {
    this.#process.kill("SIGKILL");
    await this.#ended;
  }

  async stop() {
    this.#process.kill("SIGTERM");
    await this.#ended;
  }

  /** Calls the API; fails when it does not answer with a success. */
  async call(method, path, { token, json } = {}) {
    const headers = json ? { "content-type": "application/json" } : {};
    if (token) headers.authorization = `Bearer ${token}`;
    const answer = await fetch(this.url + path, { method, headers, body: json && JSON.stringify(json) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  }

  /** Somebody's access token, and a bucket of theirs. */
  async somebody(bucket) {
    const person = { email: `${bucket}@example.com`, password: PASSWORD, first_name: "A", last_name: "B" };
    const registered = await (await this.call("POST", "/api/v1/auth/register", { json: person })).json();
    const token = registered.access_token;
    await this.call("POST", "/api/v1/storage/buckets", { token, json: { name: bucket } });
    return token;
  }
}
