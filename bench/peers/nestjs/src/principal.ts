/** Who calls, from a checked token. */
export interface Principal {
  userId: string;
  sessionId: string;
  /** Seconds since 1970. */
  expires: number;
}

declare module "fastify" {
  interface FastifyRequest {
    principal?: Principal;
  }
}
