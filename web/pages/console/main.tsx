/** The proctor's console: who is signed in, and which of its views is shown. */

import { render } from "preact";
import { lazy, Suspense } from "preact/compat";
import { useEffect, useMemo, useState } from "preact/hooks";
import { Api, signedIn, signOut, type SignedIn } from "@shared/api";
import { SignIn } from "@shared/parts";
import "@shared/theme.css";
import "./console.css";
import { Exams } from "./Exams";
import { Room } from "./room/Room";

const Manage = lazy(() => import("./manage").then(({ Manage }) => ({ default: Manage })));

function useHash(): string {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const look = () => setHash(location.hash);
    addEventListener("hashchange", look);
    return () => removeEventListener("hashchange", look);
  }, []);
  return hash.replace(/^#\/?/, "");
}

function Console() {
  const [who, setWho] = useState<SignedIn | null>(signedIn);
  const [expired, setExpired] = useState(false);
  const leave = () => {
    setExpired(true);
    sessionStorage.clear();
    setWho(null);
  };
  const api = useMemo(() => new Api(who?.token ?? null, leave), [who]);
  if (!who || who.user.role === "STUDENT") {
    return (
      <SignIn
        title="Proctor console"
        about={
          who
            ? "This account is a student’s. Students take part at /exam; sign in here as a proctor or an administrator."
            : expired
              ? "You were signed out, because the sign-in is over or was revoked. Sign in again."
              : "Sign in to watch exams and to help the students who take them."
        }
        done={setWho}
      />
    );
  }
  const out = async () => {
    await signOut(api);
    setExpired(false);
    setWho(null);
    location.hash = "";
  };
  return <SignedInConsole api={api} who={who} out={out} />;
}

function SignedInConsole({ api, who, out }: { api: Api; who: SignedIn; out: () => void }) {
  const path = useHash();
  const [place = "", id = ""] = path.split("/");
  const { role } = who.user;
  const manages = role === "ADMIN" || role === "SALES";
  const room = place === "exams" && id;
  const view = room ? (
    <Room key={id} api={api} who={who} examId={id} />
  ) : place === "manage" || role === "SALES" ? (
    <Suspense fallback={<p class="page quiet">Loading…</p>}>
      <Manage api={api} who={who.user} section={path.replace(/^manage\/?/, "") || (role === "SALES" ? "organisations" : "exams")} />
    </Suspense>
  ) : (
    <Exams api={api} who={who.user} />
  );
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>
        Skip to the content
      </a>
      <header class="site">
        <nav aria-label="Console">
          {role !== "SALES" && (
            <a href="#/" aria-current={place === "" ? "page" : undefined}>
              Exams
            </a>
          )}
          {manages &&
            sections(role).map(([section, name]) => (
              <a href={`#/manage/${section}`} aria-current={path.startsWith(`manage/${section}`) ? "page" : undefined}>
                {name}
              </a>
            ))}
        </nav>
        <span class="quiet">{who.user.name}</span>
        <button onClick={out}>Sign out</button>
      </header>
      <main id="main" tabIndex={-1}>
        {view}
      </main>
    </>
  );
}

function sections(role: string): [string, string][] {
  return role === "SALES"
    ? [["organisations", "Organisations"], ["users", "Administrators"]]
    : [["exams", "Manage exams"], ["users", "Users"], ["organisation", "Organisation"]];
}

/** The hash is the view's name, so a link within the page moves the focus by hand. */
function skip(event: Event): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

render(<Console />, document.getElementById("page")!);
