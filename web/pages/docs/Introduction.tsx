/** What one has to know before the first request. */

import { socketUrl } from "@shared/api";
import { curl } from "./example";
import { About, Code } from "./Text";

const CREDENTIALS = '{"email":"someone@example.org","password":"password"}';

export function Introduction({ about }: { about: string }) {
  return (
    <section aria-labelledby="introduction">
      <h2 id="introduction">Introduction</h2>
      <p>
        REST does accounts, exams and signing in; what happens during an exam goes over Socket.IO. Both take JSON. Ids
        are 24 hex digits, times are RFC 3339 in UTC with milliseconds, and the server’s clock decides.
      </p>
      <h3>Sign in</h3>
      <p>Ask for a token, and send it with every request that needs one.</p>
      <Code what="the line that signs in">
        {curl("post", `${location.origin}/routes/auth/login`, {
          token: false,
          body: { type: "application/json", content: CREDENTIALS },
        })}
      </Code>
      <p>REST takes it as a header, and Socket.IO when it connects:</p>
      <Code what="the header">{"Authorization: Bearer <token>"}</Code>
      <Code what="the lines that connect">
        {`import { io } from "socket.io-client";\n\nconst socket = io(${JSON.stringify(`${socketUrl()}/exam`)}, { auth: { token } });`}
      </Code>
      <About of={about} />
      <h3>Acked means stored</h3>
      <p>
        An answer 2xx, or an ack with <code>ok: true</code>, is given only once the database has acknowledged the write.
        What was not acked may be sent again: it is recorded once, by <code>seq</code> where an exam client reports, by{" "}
        <code>requestId</code> on other events, by the header <code>Idempotency-Key</code> on REST’s POSTs.
      </p>
      <p>
        Every list has at most <code>limit</code> items; where more follow, the header <code>Link</code> has the address
        of the next ones.
      </p>
    </section>
  );
}

export function Errors({ codes }: { codes: string[] }) {
  return (
    <section aria-labelledby="errors">
      <h2 id="errors">Errors</h2>
      <p>REST and Socket.IO have the same error object. As the body of an answer that is not 2xx, and as an ack:</p>
      <Code what="an error of REST">{'{"error": {"code": "conflict", "message": "…", "details": []}}'}</Code>
      <Code what="an ack that refuses">{'{"ok": false, "error": {"code": "conflict", "message": "…"}}'}</Code>
      <p>
        <code>details</code>, where there are any, say what is wrong where: <code>loc</code> is the way to the field,{" "}
        <code>msg</code> what is wanted. <code>retryAfterMs</code> says when to come again. The codes:
      </p>
      <ul class="codes">
        {codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ul>
    </section>
  );
}
