import { Controller, Get, Header, NotFoundException, Req, Res, UseGuards } from "@nestjs/common";
import { ThrottlerGuard } from "@nestjs/throttler";
import type { FastifyReply, FastifyRequest } from "fastify";

import { Database } from "./database.js";
import { PerUser, SignedIn } from "./guards.js";

interface Profile {
  id: string;
  user_id: string;
  first_name: string | null;
  last_name: string | null;
  avatar_url: string | null;
  bio: string | null;
  created_at: Date;
  updated_at: Date;
}

const READ = {
  id: true,
  user_id: true,
  first_name: true,
  last_name: true,
  bio: true,
  avatar: true,
  version: true,
  created_at: true,
  updated_at: true,
} as const;

@Controller("api/v1/users")
@UseGuards(ThrottlerGuard, SignedIn, PerUser)
export class UsersController {
  constructor(private readonly database: Database) {}

  @Get("me")
  @Header("cache-control", "no-store")
  async me(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<Profile> {
    const userId = request.principal?.userId ?? "";
    const row = await this.database.profile.findUnique({ where: { user_id: userId }, select: READ });
    if (!row) throw new NotFoundException();
    reply.header("etag", `"${row.version}"`);
    return {
      id: row.id,
      user_id: row.user_id,
      first_name: row.first_name,
      last_name: row.last_name,
      avatar_url: row.avatar && `/api/v1/users/${row.user_id}/avatar/${row.avatar}`,
      bio: row.bio,
      created_at: row.created_at,
      updated_at: row.updated_at,
    };
  }
}
