// Makes the tables, a thousand profiles, and a token for one of them. Prints the public key for JWT_PUBLIC_KEY.
//   node prepare.mjs TOKEN_FILE
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";

import { SignJWT } from "jose";
import pg from "pg";

const PROFILES = 1000;

const client = new pg.Client({ connectionString: process.env.DATABASE_URL });
await client.connect();
await client.query(readFileSync(new URL("schema.sql", import.meta.url), "utf8"));
await client.query("TRUNCATE profiles, revoked_sessions");
const users = Array.from({ length: PROFILES }, () => randomUUID());
await client.query(
  `INSERT INTO profiles SELECT gen_random_uuid(), u, 'Ada', 'Lovelace', NULL, NULL, 1, now(), now(), true, 0, 'ada lovelace', 'lovelace ada'
   FROM unnest($1::uuid[]) AS u`,
  [users],
);
await client.query("ANALYZE profiles");
await client.end();

const { publicKey, privateKey } = generateKeyPairSync("ed25519");
const claims = { sid: randomUUID(), ver: 0, roles: ["user"], perms: [] };
const token = await new SignJWT(claims)
  .setProtectedHeader({ alg: "EdDSA", typ: "JWT" })
  .setIssuer("stoa")
  .setSubject(users[PROFILES / 2])
  .setIssuedAt()
  .setExpirationTime("1h")
  .sign(privateKey);
writeFileSync(process.argv[2], token, { mode: 0o600 });
console.log(publicKey.export({ format: "jwk" }).x);
