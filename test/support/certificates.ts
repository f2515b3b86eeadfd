/** A certificate authority of the tests' own, and a server's certificate for 127.0.0.1 that it signed. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { requireProgram } from "./program.js";

export interface Certificates {
  /** Paths of PEM files. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** Another authority, which signed nothing here. */
  readonly otherCa: string;
  /** Deletes them. */
  remove(): void;
}

/** Makes them anew (openssl, half a second). */
export async function makeCertificates(): Promise<Certificates> {
  const openssl = requireProgram(["openssl"], "openssl");
  const folder = mkdtempSync(join(tmpdir(), "livetail-certificates-"));
  const path = (name: string): string => join(folder, name);
  const run = (...args: string[]) => promisify(execFile)(openssl, args, { cwd: folder });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const authority = (name: string, subject: string) =>
    run("req", "-x509", ...key, "-keyout", `${name}.key`, "-out", `${name}.pem`, "-days", "2", "-subj", subject);
  try {
    writeFileSync(path("names"), "subjectAltName = IP:127.0.0.1, DNS:localhost\n");
    await authority("ca", "/CN=livetail tests");
    await authority("other", "/CN=somebody else");
    await run("req", "-new", ...key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost");
    const signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"];
    await run("x509", "-req", "-in", "server.csr", "-out", "server.pem", ...signed);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  return {
    ca: path("ca.pem"),
    cert: path("server.pem"),
    key: path("server.key"),
    otherCa: path("other.pem"),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
