// A client as a product would write it, compiled against the types that openapi-typescript makes of docs/openapi.json. It is never
// run: what it calls wrongly does not compile.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

const stoa = createClient<paths>({ baseUrl: "https://stoa.example" });

type Problem = components["schemas"]["Problem"];

export function explained(problem: Problem): string {
  const fields = (problem.errors ?? []).map((error) => `${error.field}: ${error.message}`);
  return [`${problem.title} (${problem.code})`, ...fields].join("\n");
}

export async function signIn(email: string, password: string): Promise<string | null> {
  const { data, error } = await stoa.POST("/api/v1/auth/login", { body: { email, password } });
  if (error) throw new Error(explained(error));
  return data.access_token ?? null;
}

/** In mode `cookie` there is no body. */
export async function refreshInBrowser(csrf: string) {
  const { data, error } = await stoa.POST("/api/v1/auth/refresh", {
    params: { query: { mode: "cookie" }, header: { "x-csrf-token": csrf } },
  });
  if (error) throw new Error(explained(error));
  return data.csrf_token;
}

export async function refresh(refresh_token: string) {
  return stoa.POST("/api/v1/auth/refresh", { body: { refresh_token } });
}

/** A POST that may be sent again without being done again. */
export async function createKey(attempt: string, csrf: string, password: string) {
  const { data } = await stoa.POST("/api/v1/auth/api-keys", {
    params: { header: { "Idempotency-Key": attempt, "x-csrf-token": csrf } },
    body: { name: "backup script", scopes: ["users.read"], password },
  });
  return data?.key;
}

export async function* everybody() {
  let cursor: string | null | undefined;
  do {
    const { data } = await stoa.GET("/api/v1/users", { params: { query: { cursor: cursor ?? "", limit: 100 } } });
    yield* data?.items ?? [];
    cursor = data?.next_cursor;
  } while (cursor);
}

export async function rename(first_name: string, tag: string, csrf: string) {
  const { response } = await stoa.PATCH("/api/v1/users/me", {
    params: { header: { "if-match": tag, "x-csrf-token": csrf } },
    body: { first_name },
  });
  return response.headers.get("etag");
}

// @ts-expect-error There is no such path.
void stoa.GET("/api/v1/nowhere");
// @ts-expect-error The body lacks the password.
void stoa.POST("/api/v1/auth/login", { body: { email: "ada@example.com" } });
