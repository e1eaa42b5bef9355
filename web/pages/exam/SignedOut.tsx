/** Signing in, or making an account first. */

import { useState } from "preact/hooks";
import type { SignedIn } from "@shared/api";
import { SignIn } from "@shared/parts";
import { Register } from "./Register";
import { useTitle } from "./step";

export function SignedOut({ expired, done }: { expired: boolean; done: (who: SignedIn) => void }) {
  const [registering, setRegistering] = useState(false);
  useTitle(`${registering ? "Create an account" : "Sign in"} · Exam`);
  if (registering) return <Register done={done} cancel={() => setRegistering(false)} />;
  return (
    <SignIn
      title="Exam"
      about={
        expired
          ? "You were signed out, because the sign-in is over or was revoked. Sign in again to go on; nothing is lost."
          : "Sign in to take your exam."
      }
      done={done}
    >
      <details class="forgotten">
        <summary>I forgot my password</summary>
        <p>
          Ask the proctor in the room. A proctor or an administrator of your organisation can give you a new password at
          once; it is told to you in person, never sent.
        </p>
      </details>
      <p>
        No account yet?{" "}
        <button type="button" onClick={() => setRegistering(true)}>
          Create an account
        </button>
      </p>
    </SignIn>
  );
}
