/** REST, as one user, and who that is. Errors are the contract's. */

import { ProctoringError } from "@client/errors";
import { uuid } from "@client/ids";

export type Role = "SALES" | "ADMIN" | "PROCTOR" | "STUDENT";

export interface User {
  id: string;
  name: string;
  email: string;
  role: Role;
  organisationId: string | null;
}

export interface SignedIn {
  token: string;
  user: User;
}

const KEY = "proctoring signed in";

/** Who is signed in in this tab: kept over a reload, gone with the tab. */
export function signedIn(): SignedIn | null {
  const kept = sessionStorage.getItem(KEY);
  return kept ? (JSON.parse(kept) as SignedIn) : null;
}

export async function signIn(email: string, password: string): Promise<SignedIn> {
  const { token, user } = await new Api(null).post<SignedIn>("/routes/auth/login", { email, password });
  const now = { token, user };
  sessionStorage.setItem(KEY, JSON.stringify(now));
  return now;
}

export async function signOut(api: Api): Promise<void> {
  sessionStorage.removeItem(KEY);
  await api.post("/routes/auth/logout").catch(() => undefined);
}

/** Where Socket.IO is, if not at the page's own origin: the server writes its port into the page. */
export function socketUrl(): string {
  const port = document.querySelector<HTMLMetaElement>('meta[name="socket-port"]')?.content;
  return port ? `${location.protocol}//${location.hostname}:${port}` : location.origin;
}

export class Api {
  constructor(
    private readonly token: string | null,
    /** Called when the token holds no longer. */
    private readonly expired: () => void = () => undefined,
  ) {}

  get<T>(path: string): Promise<T> {
    return this.call<T>("GET", path).then(({ body }) => body);
  }

  post<T>(path: string, body?: unknown): Promise<T> {
    return this.call<T>("POST", path, body).then((answer) => answer.body);
  }

  put<T>(path: string, body?: unknown): Promise<T> {
    return this.call<T>("PUT", path, body).then((answer) => answer.body);
  }

  async delete(path: string): Promise<void> {
    await this.call("DELETE", path);
  }

  /** A whole list, page by page. */
  async all<T>(path: string): Promise<T[]> {
    const found: T[] = [];
    let next: string | undefined = `${path}${path.includes("?") ? "&" : "?"}limit=500`;
    while (next) {
      const { body, headers }: Answer<T[]> = await this.call<T[]>("GET", next);
      found.push(...body);
      next = headers.get("Link")?.match(/<([^>]+)>; rel="next"/)?.[1];
    }
    return found;
  }

  private async call<T>(method: string, path: string, body?: unknown): Promise<Answer<T>> {
    const headers: Record<string, string> = {};
    if (this.token) headers["Authorization"] = `Bearer ${this.token}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (method === "POST") headers["Idempotency-Key"] = uuid();
    let response: Response;
    try {
      response = await fetch(path, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
    } catch {
      throw new ProctoringError("offline", "The server cannot be reached. Check the connection and try again.");
    }
    const text = await response.text();
    const answer = parsed(text);
    if (!response.ok) {
      if (response.status === 401 && this.token) this.expired();
      const { code = "internal", message = `The server answered ${response.status}.`, details = [] } =
        (answer as { error?: Partial<ProctoringError> } | undefined)?.error ?? {};
      throw new ProctoringError(code, message, details);
    }
    return { body: answer as T, headers: response.headers };
  }
}

interface Answer<T> {
  body: T;
  headers: Headers;
}

function parsed(text: string): unknown {
  try {
    return text ? JSON.parse(text) : undefined;
  } catch {
    return undefined;
  }
}

/** An error as a person reads it, with what is wrong where. */
export function saying(error: unknown): string {
  if (!(error instanceof ProctoringError)) return String(error);
  const details = error.details.map(({ loc, msg }) => `${loc.filter((one) => one !== "body").join(" ")}: ${msg}`);
  return [error.message, ...details].join(" ");
}
