/** Ids and tokens. */

/** A random UUID; `crypto.randomUUID` is missing where a page was not loaded over HTTPS. */
export function uuid(): string {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

const UNKNOWN = "unknown";

/** Whose token it is; not verified, for telling two students of one browser apart. */
export function subjectOf(token: string): string {
  const claims = token.split(".")[1] ?? "";
  try {
    return String(JSON.parse(atob(claims.replaceAll("-", "+").replaceAll("_", "/"))).sub ?? UNKNOWN);
  } catch {
    return UNKNOWN;
  }
}
