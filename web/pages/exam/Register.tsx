/** A student makes an account, in the organisation that the link names or whose code was given out. */

import { ProctoringError } from "@client/errors";
import { Api, signIn, type SignedIn, type User } from "@shared/api";
import { Field, Form } from "@shared/parts";
import { useStep } from "./step";

export function Register({ done, cancel }: { done: (who: SignedIn) => void; cancel: () => void }) {
  const heading = useStep("Create an account · Exam");
  const organisationId = new URLSearchParams(location.search).get("organisation");
  const submit = async (values: FormData) => {
    const text = (name: string) => String(values.get(name) ?? "").trim();
    const [email, password] = [text("email"), String(values.get("password"))];
    try {
      const organisation = organisationId ?? text("organisation");
      await new Api(null).post<User>("/routes/users", {
        name: text("name"),
        email,
        password,
        organisationId: organisation,
      });
    } catch (error) {
      const explained = explain(error);
      // Made the time before, when the answer or the sign-in was lost: then this is the password.
      if (!(error instanceof ProctoringError) || error.code !== "conflict") throw explained;
      return done(
        await signIn(email, password).catch(() => {
          throw explained;
        }),
      );
    }
    done(await signIn(email, password));
  };
  return (
    <main class="narrow">
      <h1 ref={heading} tabIndex={-1}>
        Create an account
      </h1>
      <p>For students. You are signed in with it at once.</p>
      <Form action="Create the account" submit={submit} cancel={cancel}>
        {!organisationId && (
          <Field
            label="Code of your organisation"
            hint="24 letters and digits, from whoever invited you to the exam"
            name="organisation"
            pattern="\s*[0-9a-fA-F]{24}\s*"
            autocomplete="off"
            spellcheck={false}
            required
          />
        )}
        <Field label="Name" name="name" autocomplete="name" maxLength={200} required />
        <Field label="E-mail" name="email" type="email" autocomplete="username" required />
        <Field
          label="Password"
          hint="6 characters or more"
          name="password"
          type="password"
          autocomplete="new-password"
          minLength={6}
          required
        />
      </Form>
    </main>
  );
}

function explain(error: unknown): unknown {
  if (!(error instanceof ProctoringError)) return error;
  switch (error.code) {
    case "forbidden":
      return new ProctoringError(
        error.code,
        "No account was made: the code is wrong, or students cannot register there. Ask the proctor in the room.",
      );
    case "conflict":
      return new ProctoringError(
        error.code,
        "There is an account with this e-mail already. Sign in with its password.",
      );
    default:
      return error;
  }
}
