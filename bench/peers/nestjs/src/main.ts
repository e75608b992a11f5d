import "reflect-metadata";

import cluster from "node:cluster";
import { randomBytes } from "node:crypto";

import helmet from "@fastify/helmet";
import { NestFactory } from "@nestjs/core";
import { FastifyAdapter, type NestFastifyApplication } from "@nestjs/platform-fastify";
import { LogController } from "fastify";

import { AppModule } from "./app.module.js";

async function serve(): Promise<void> {
  const adapter = new FastifyAdapter({
    // One line a request, as below; Fastify's own are two.
    logger: { level: "info" },
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => randomBytes(16).toString("hex"),
    trustProxy: false,
  });
  const app = await NestFactory.create<NestFastifyApplication>(AppModule, adapter, { logger: ["error", "warn"] });
  await app.register(helmet, {
    contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
    frameguard: { action: "deny" },
    referrerPolicy: { policy: "no-referrer" },
    // What Stoa does not send to API callers either.
    crossOriginOpenerPolicy: false,
    crossOriginResourcePolicy: false,
    originAgentCluster: false,
    strictTransportSecurity: false,
    xDnsPrefetchControl: false,
    xDownloadOptions: false,
    xPermittedCrossDomainPolicies: false,
    xXssProtection: false,
  });
  adapter.getInstance().addHook("onResponse", (request, reply, done) => {
    request.log.info({
      method: request.method,
      route: request.routeOptions.url,
      status: reply.statusCode,
      ms: reply.elapsedTime,
      user: request.principal?.userId,
      address: request.ip,
    });
    done();
  });
  adapter.getInstance().addHook("onSend", async (request, reply) => {
    reply.header("x-request-id", request.id);
  });
  app.enableShutdownHooks();
  await app.listen(Number(process.env.PORT ?? 3000), "127.0.0.1");
}

const workers = Number(process.env.WORKERS ?? 2);
if (workers > 1 && cluster.isPrimary) {
  for (let i = 0; i < workers; i++) cluster.fork();
  let stopping = false;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      stopping = true;
      for (const worker of Object.values(cluster.workers ?? {})) worker?.kill(signal);
    });
  }
  cluster.on("exit", () => {
    if (!stopping) {
      console.error("a worker ended");
      process.exit(1);
    }
  });
} else {
  await serve();
}
