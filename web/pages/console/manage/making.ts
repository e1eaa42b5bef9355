/** Passwords that a person can read from one screen and type on another. */

/** The server takes none with fewer characters. */
export const SHORTEST = 6;

/** None that is taken for another: no 0 and o, no 1, i and l. */
const CHARACTERS = "abcdefghjkmnpqrstuvwxyz23456789";
const GROUPS = 3;
const GROUP = 4;

/** Like the server's: groups of four, "h7kd-p2mw-x9rt". 59 random bits. */
export function makePassword(): string {
  const random = crypto.getRandomValues(new Uint32Array(GROUPS * GROUP));
  const characters = Array.from(random, (one) => CHARACTERS[one % CHARACTERS.length]!);
  return Array.from({ length: GROUPS }, (_, at) => characters.slice(at * GROUP, (at + 1) * GROUP).join("")).join("-");
}

/** One by one, for the ear. */
export function spelled(password: string): string {
  return Array.from(password, (one) => (/\p{Lu}/u.test(one) ? `capital ${one}` : (SIGNS[one] ?? one))).join(", ");
}

const SIGNS: Record<string, string> = { "-": "hyphen", _: "underscore", ".": "full stop", " ": "space" };
