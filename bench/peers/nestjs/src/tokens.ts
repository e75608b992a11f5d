import { Injectable, UnauthorizedException } from "@nestjs/common";
import { type CryptoKey, importJWK, jwtVerify } from "jose";

import type { Principal } from "./principal.js";

/** Tokens that are remembered; with more than that, all are forgotten. */
const REMEMBERED = 100_000;

/** Checks access tokens: Ed25519, issuer, expiry. A token seen before costs a look-up, as it does in Stoa. */
@Injectable()
export class Tokens {
  private readonly seen = new Map<string, Principal>();
  private readonly remember = process.env.TOKEN_CACHE !== "off";
  private readonly key: Promise<CryptoKey | Uint8Array>;

  constructor() {
    const x = process.env.JWT_PUBLIC_KEY;
    if (!x) throw new Error("JWT_PUBLIC_KEY is not set: the `x` of an Ed25519 key, as a JWKS has it");
    this.key = importJWK({ kty: "OKP", crv: "Ed25519", alg: "EdDSA", x });
  }

  async verify(token: string): Promise<Principal> {
    const known = this.seen.get(token);
    if (known) {
      if (known.expires * 1000 > Date.now()) return known;
      this.seen.delete(token);
    }
    const { payload } = await jwtVerify(token, await this.key, { issuer: "stoa", algorithms: ["EdDSA"] }).catch(() => {
      throw new UnauthorizedException();
    });
    const { sub, sid, exp } = payload as { sub?: string; sid?: string; exp?: number };
    if (!sub || !sid || !exp) throw new UnauthorizedException();
    const principal = { userId: sub, sessionId: sid, expires: exp };
    if (this.remember) {
      if (this.seen.size >= REMEMBERED) this.seen.clear();
      this.seen.set(token, principal);
    }
    return principal;
  }
}
