/** Passwords that a person can read from one screen and type on another. */

/** The server takes none with fewer characters. */
export const SHORTEST = 6;

/** None that is taken for another: no 0 and o, no 1, i and l. */
const CHARACTERS = "abcdefghjkmnpqrstuvwxyz23456789";
const LENGTH = 12;
const GROUP = 4;

/** 59 random bits. */
export function makePassword(): string {
  const random = crypto.getRandomValues(new Uint32Array(LENGTH));
  return Array.from(random, (one) => CHARACTERS[one % CHARACTERS.length]).join("");
}

/** In groups, for the eye. */
export function groups(password: string): string[] {
  return password.match(new RegExp(`.{1,${GROUP}}`, "gsu")) ?? [];
}

/** One by one, for the ear. */
export function spelled(password: string): string {
  return Array.from(password, (one) => (/\p{Lu}/u.test(one) ? `capital ${one}` : (SIGNS[one] ?? one))).join(", ");
}

const SIGNS: Record<string, string> = { "-": "hyphen", _: "underscore", ".": "full stop", " ": "space" };
