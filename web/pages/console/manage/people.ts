/** Looking people up among thousands. */

import type { Api, User } from "@shared/api";

const NAMES = new Intl.Collator(undefined, { numeric: true });

/** Everybody whom the user may see, by name. */
export async function everybody(api: Api): Promise<User[]> {
  return byName(await api.all<User>("/routes/users"));
}

export function byName<T extends { name: string }>(items: T[]): T[] {
  return items.toSorted((a, b) => NAMES.compare(a.name, b.name));
}

/** Those in whose name or e-mail address every word of `text` occurs. */
export function matching(people: User[], text: string): User[] {
  const words = text.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return people;
  return people.filter(({ name, email }) => {
    const all = `${name} ${email}`.toLocaleLowerCase();
    return words.every((word) => all.includes(word));
  });
}

/** The e-mail addresses in a text, however it separates them; each once. */
export function addressesIn(text: string): string[] {
  const found = text.match(/[^\s,;<>()"]+@[^\s,;<>()"]+/g) ?? [];
  return [...new Map(found.map((one) => [one.toLowerCase(), one])).values()];
}
