import { type CanActivate, type ExecutionContext, Injectable, UnauthorizedException } from "@nestjs/common";
import { ThrottlerGuard } from "@nestjs/throttler";
import type { FastifyRequest } from "fastify";

import { Revocations } from "./revocations.js";
import { Tokens } from "./tokens.js";

/** Lets in who has a good token of a session that lives. */
@Injectable()
export class SignedIn implements CanActivate {
  constructor(
    private readonly tokens: Tokens,
    private readonly revocations: Revocations,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const header = request.headers.authorization;
    if (!header?.startsWith("Bearer ")) throw new UnauthorizedException();
    const principal = await this.tokens.verify(header.slice(7));
    if (this.revocations.contains(principal.sessionId)) throw new UnauthorizedException();
    request.principal = principal;
    return true;
  }
}

/** Counts a request against its user; the limit of the address is counted by the guard before. */
@Injectable()
export class PerUser extends ThrottlerGuard {
  protected override async getTracker(request: FastifyRequest): Promise<string> {
    return request.principal?.userId ?? request.ip;
  }
}
