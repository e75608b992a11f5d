import { Module } from "@nestjs/common";
import { ThrottlerModule } from "@nestjs/throttler";

import { Database } from "./database.js";
import { PerUser, SignedIn } from "./guards.js";
import { Revocations } from "./revocations.js";
import { Tokens } from "./tokens.js";
import { UsersController } from "./users.controller.js";

/** Requests a second; too high to refuse, so that the counting is measured and not the refusing. */
const LIMIT = 1_000_000;

@Module({
  imports: [ThrottlerModule.forRoot([{ ttl: 1000, limit: LIMIT }])],
  controllers: [UsersController],
  providers: [Database, PerUser, Revocations, SignedIn, Tokens],
})
export class AppModule {}
