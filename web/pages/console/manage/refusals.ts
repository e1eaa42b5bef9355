/** Why the server made no account of a line, in words for who has to put it right. */

import { ProctoringError } from "@client/errors";
import { saying } from "@shared/api";
import { SHORTEST } from "./making";

export interface LineError {
  code: string;
  message: string;
  details?: { loc: (string | number)[]; msg: string }[];
}

const FIELDS: Record<string, string> = {
  name: "The name is missing, or longer than 200 characters.",
  email: "This is not an e-mail address.",
  role: "The role must be STUDENT, PROCTOR or ADMIN.",
  password: `A password has at least ${SHORTEST} characters, and at most 1,024.`,
};

/** `unsure`: the line was sent before, and the answer to that was lost. */
export function refusalOf({ code, message, details = [] }: LineError, unsure: boolean): string {
  if (code === "conflict" && unsure) {
    return (
      "There is an account with this address now. The connection broke while this line was being imported, so it may " +
      "be the one that was just made: look it up among the users and give it a new password."
    );
  }
  const fields = new Set(details.map(({ loc }) => String(loc.at(-1))));
  const known = [...fields].map((field) => FIELDS[field]);
  if (code === "invalid_payload" && known.length && known.every(Boolean)) return known.join(" ");
  return saying(new ProctoringError(code, message, details));
}
