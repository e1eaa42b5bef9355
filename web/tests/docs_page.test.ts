import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { EVENTS, REST } from "./documents";

const DOCUMENTS: Record<string, unknown> = { "/openapi.json": REST, "/asyncapi.json": EVENTS };

function all<E extends Element = HTMLElement>(selector: string): E[] {
  return [...document.querySelectorAll<E>(selector)];
}

function texts(selector: string): string[] {
  return all(selector).map((one) => one.textContent?.replace(/\s+/g, " ").trim() ?? "");
}

async function loaded(answer = async (path: string) => new Response(JSON.stringify(DOCUMENTS[path]))): Promise<void> {
  document.body.innerHTML = '<div id="page"></div>';
  vi.stubGlobal("fetch", answer);
  vi.resetModules();
  await import("../pages/docs/main");
  await vi.waitFor(() => expect(texts("h1, [role=alert]").join()).not.toBe("API"));
}

beforeEach(() => void (location.hash = ""));
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

describe("the page", () => {
  beforeEach(() => loaded());

  it("has what is in the documents, each at its place", () => {
    expect(texts("h1, h2")).toEqual([
      "proctoring-server: API",
      "Introduction",
      "Errors",
      "REST",
      "Socket.IO",
      "Shapes",
    ]);
    const places = ["rest-post-routes-users", "rest-delete-routes-users-id", "event-exam-tab-change", "push-exam-chat"];
    expect(places.map((id) => document.getElementById(id)?.textContent)).toEqual([
      "POST /routes/users",
      "DELETE /routes/users/{id}",
      "tab_change",
      "chat",
    ]);
    expect(texts(".codes li")).toEqual(["conflict", "unavailable"]);
  });

  it("leads nowhere where there is nothing, and has no place twice", () => {
    const ids = all("[id]").map(({ id }) => id);
    expect(ids).toHaveLength(new Set(ids).size);
    const links = all<HTMLAnchorElement>('a[href^="#"]').map((link) => link.getAttribute("href")!.slice(1));
    expect(links.length).toBeGreaterThan(15);
    for (const link of links) expect(ids).toContain(link);
  });

  it("skips no level of headings", () => {
    const levels = all("h1, h2, h3, h4, h5").map(({ tagName }) => Number(tagName[1]));
    levels.reduce((before, level) => (expect(level).toBeLessThanOrEqual(before + 1), level), 0);
  });

  it("shows a body as a table, with what may be null", () => {
    const table = all<HTMLTableElement>("table").find(
      ({ caption }) => caption?.textContent === "Body of POST /routes/users",
    );
    const rows = [...table!.querySelectorAll("tbody tr")].map((row) =>
      [...row.children].map((cell) => cell.textContent),
    );
    expect(rows).toContainEqual(["endsAt", "string or null", "no", "date-time", "at the latest"]);
    expect(rows).toContainEqual(["name", "string", "yes", "1 to 200 characters", ""]);
  });

  it("links a shape that has itself in it to itself", () => {
    const article = document.getElementById("shape-rest-tree")!.closest("article")!;
    expect(article.querySelector('td a[href="#shape-rest-tree"]')?.textContent).toBe("Tree");
  });

  it("finds, and says how much", async () => {
    const input = document.querySelector<HTMLInputElement>("nav input[type=search]")!;
    expect(document.querySelector(`label[for=${input.id}]`)?.textContent).toBe("Find");
    input.value = "post users";
    input.dispatchEvent(new Event("input", { bubbles: true }));
    await vi.waitFor(() => expect(texts("nav li a")).toEqual(["POST /routes/users"]));
    expect(texts("nav [role=status]")).toEqual(["1 found"]);
  });

  it("copies, and says so", async () => {
    const writeText = vi.spyOn(navigator.clipboard, "writeText").mockResolvedValue();
    const button = all("button").find((one) => one.textContent === "Copy the curl line of DELETE /routes/users/{id}")!;
    button.click();
    await vi.waitFor(() => expect(button.parentElement?.querySelector("[role=status]")?.textContent).toBe("Copied."));
    expect(writeText.mock.calls[0]?.[0]).toContain("/routes/users/65f1c0ffee0123456789abcd'");
  });
});

it("goes to the place that its address names", async () => {
  location.hash = "#event-exam-tab-change";
  const scrolled = vi.spyOn(Element.prototype, "scrollIntoView").mockImplementation(() => undefined);
  await loaded();
  expect(scrolled.mock.contexts.map((one) => (one as Element).id)).toEqual(["event-exam-tab-change"]);
  await vi.waitFor(() => expect(texts("nav [aria-current=location]")).toEqual(["tab_change"]));
});

it("says what is wrong where the documents cannot be had", async () => {
  await loaded(async () => Promise.reject(new TypeError("Failed to fetch")));
  expect(texts("[role=alert]")).toEqual(["The server cannot be reached. Check the connection and try again."]);
});
