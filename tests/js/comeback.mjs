// A student and a console that live through a restart of the server, with nothing but the client's own reconnection.
// Prints a line of JSON at each step and waits for a line on standard input between them.
// Usage: node comeback.mjs URL EXAM_ID STUDENT_TOKEN PROCTOR_TOKEN
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const [url, examId, studentToken, proctorToken] = process.argv.slice(2);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const clientId = crypto.randomUUID();

let offset = 0;
const seen = [];
const take = (items) => {
  for (const item of items) {
    seen.push(item.offset);
    offset = item.offset;
  }
};
const console_ = io(`${url}/proctor`, { auth: { token: proctorToken } });
let joins = 0;
console_.on("activity", (message) => take(message.items));
// A callback: a promise is resolved a little later, when what comes right behind the answer has been taken already.
console_.on("connect", () => {
  console_.emit("join", { examId, since: offset }, (joined) => {
    take(joined.data.activity);
    joins += 1;
  });
});

const student = io(`${url}/exam`, { auth: { token: studentToken, clientId } });
let started;
let starts = 0;
student.on("connect", async () => {
  started = await student.emitWithAck("start", { examId });
  starts += 1;
});
const until = async (holds) => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 10));
};

await until(() => starts === 1 && joins === 1);
const before = await student.emitWithAck("tab_change", { seq: 1 });
say({ before, lastSeq: started.data.lastSeq });
await lines.next();
await until(() => starts === 2 && joins === 2);
const repeat = await student.emitWithAck("tab_change", { seq: 1 });
const after = await student.emitWithAck("tab_change", { seq: 2 });
await until(() => offset >= after.data.offset);
say({ repeat, after, lastSeq: started.data.lastSeq, seen });
process.exit(0);
