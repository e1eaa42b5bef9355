/** Where a list comes from: a file that is chosen or dropped, or what is pasted. */

import { useState } from "preact/hooks";
import { Field, Problem } from "@shared/parts";
import { TextArea } from "./fields";

const MOST_BYTES = 5_000_000;

export function ImportSource({ text, change }: { text: string; change: (text: string) => void }) {
  const [over, setOver] = useState(false);
  const [problem, setProblem] = useState("");
  const take = async (file: File | undefined) => {
    if (!file) return;
    setProblem("");
    if (file.size > MOST_BYTES) setProblem(`${file.name} is too large to be a list of people.`);
    else change(textOf(await file.arrayBuffer()));
  };
  return (
    <div
      class={over ? "drop over" : "drop"}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        void take(event.dataTransfer?.files[0]);
      }}
    >
      <p>
        A table of people, saved by a spreadsheet as CSV. The first line names the columns: <code>name</code> and{" "}
        <code>email</code> are needed, <code>role</code> (student, proctor or admin) and <code>password</code> may be
        there. Without a role it is a student; without a password one is made.
      </p>
      <Field
        label="CSV file"
        type="file"
        accept=".csv,.txt,text/csv,text/plain"
        hint="Or drop the file here."
        onChange={(event) => void take(event.currentTarget.files?.[0])}
      />
      <Problem>{problem}</Problem>
      <TextArea
        label="Or paste the table here"
        rows={6}
        spellcheck={false}
        placeholder={"name,email\nAda Example,ada@school.example"}
        value={text}
        onInput={(event) => change(event.currentTarget.value)}
      />
    </div>
  );
}

/** Spreadsheets write UTF-8, or on Windows the old code page. */
export function textOf(bytes: ArrayBuffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}
