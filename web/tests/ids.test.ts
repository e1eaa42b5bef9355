import { afterEach, describe, expect, it, vi } from "vitest";
import { subjectOf, uuid } from "../client/ids";

const UUID_4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

function token(claims: unknown): string {
  const bytes = new TextEncoder().encode(JSON.stringify(claims));
  const encoded = btoa(String.fromCharCode(...bytes));
  return `header.${encoded.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}.signature`;
}

describe("a UUID", () => {
  afterEach(() => vi.unstubAllGlobals());

  it("is one of version 4", () => {
    expect(uuid()).toMatch(UUID_4);
  });

  it("is one without crypto.randomUUID too, and another each time", () => {
    const { crypto } = globalThis;
    vi.stubGlobal("crypto", { getRandomValues: (into: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(into) });
    const made = Array.from({ length: 200 }, uuid);
    for (const one of made) expect(one).toMatch(UUID_4);
    expect(new Set(made).size).toBe(made.length);
  });
});

describe("whose token it is", () => {
  it("is told by its subject", () => {
    expect(subjectOf(token({ sub: "65f1c0ffee0123456789abcd", role: "STUDENT" }))).toBe("65f1c0ffee0123456789abcd");
  });

  it("is told of base64url with its two other characters and without padding", () => {
    const claims = { sub: "a", note: "~~~???ÿÿÿ>>>" };
    expect(token(claims)).toMatch(/[-_]/);
    expect(subjectOf(token(claims))).toBe("a");
  });

  it.each(["", "garbage", "a.b", "a..c", "a.%%%.c", `a.${btoa("no JSON")}.c`, `a.${btoa("null")}.c`])(
    "is not known of %j",
    (garbage) => {
      expect(subjectOf(garbage)).toBe("unknown");
    },
  );

  it("is not known of a token without a subject", () => {
    expect(subjectOf(token({ role: "STUDENT" }))).toBe("unknown");
  });
});
