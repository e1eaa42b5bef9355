/** What an import made, with the passwords that are shown only now, and what it was refused. */

import type { Api } from "@shared/api";
import { useSay } from "./Announcer";
import { AssignMade } from "./AssignMade";
import { write } from "./csv";
import type { Import, Made, Progress, Refused } from "./importing";
import { usePaging } from "./paging";
import { count, ROLES } from "./words";

export function ImportResult({ api, current, now }: { api: Api; current: Import; now: Progress }) {
  const say = useSay();
  const withPassword = now.made.filter((one): one is Made & { password: string } => one.password !== null);
  const download = () => {
    const rows = withPassword.map(({ user, password }) => [user.name, user.email, password]);
    save("passwords.csv", write([["name", "e-mail", "password"], ...rows]));
    current.downloaded();
    say("The passwords are downloaded.");
  };
  return (
    <>
      <p>
        {count(now.made.length, "account")} made, {now.refused.length.toLocaleString("en")} refused.
      </p>
      {withPassword.length > 0 && (
        <div class={now.unsaved ? "problem" : "notice"}>
          <p>
            <strong>The passwords are shown only this once.</strong>{" "}
            {now.unsaved ? "Download them now, and keep the file where others cannot read it." : "They are downloaded."}
          </p>
          <button class="primary" onClick={download}>
            Download passwords (CSV)
          </button>
        </div>
      )}
      {now.refused.length > 0 && <RefusedTable refused={now.refused} />}
      {now.made.length > 0 && (
        <>
          <AssignMade api={api} made={now.made.map(({ user }) => user)} />
          <MadeTable made={now.made} />
        </>
      )}
    </>
  );
}

function RefusedTable({ refused }: { refused: Refused[] }) {
  const [shown, pager] = usePaging(refused, "refused lines");
  return (
    <section aria-labelledby="refused-heading">
      <h2 id="refused-heading">Refused</h2>
      <div class="wide">
        <table aria-labelledby="refused-heading">
          <thead>
            <tr>
              <th scope="col">Line</th>
              <th scope="col">Who</th>
              <th scope="col">Why</th>
            </tr>
          </thead>
          <tbody>
            {shown.map(({ person: { line, name, email }, reason }) => (
              <tr key={line}>
                <td class="figure">{line}</td>
                <td>{[name, email].filter(Boolean).join(", ")}</td>
                <td>{reason}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {pager}
    </section>
  );
}

function MadeTable({ made }: { made: Made[] }) {
  const [shown, pager] = usePaging(made, "made accounts");
  return (
    <section aria-labelledby="made-heading">
      <h2 id="made-heading">Made</h2>
      <div class="wide">
        <table aria-labelledby="made-heading">
          <thead>
            <tr>
              <th scope="col">Line</th>
              <th scope="col">Name</th>
              <th scope="col">E-mail</th>
              <th scope="col">Role</th>
              <th scope="col">Password</th>
            </tr>
          </thead>
          <tbody>
            {shown.map(({ line, user, password }) => (
              <tr key={user.id}>
                <td class="figure">{line}</td>
                <td>{user.name}</td>
                <td>{user.email}</td>
                <td>{ROLES[user.role]}</td>
                <td>{password === null ? <span class="quiet">as in the list</span> : <code>{password}</code>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {pager}
    </section>
  );
}

function save(name: string, content: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type: "text/csv;charset=utf-8" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
