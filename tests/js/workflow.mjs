// What the Python workflow test does, with the official client as it comes: polling first, then an upgrade.
// Prints one JSON object of what it saw. Usage: node workflow.mjs URL EXAM_ID STUDENT_TOKEN PROCTOR_TOKEN
import { io } from "socket.io-client";

const [url, examId, studentToken, proctorToken] = process.argv.slice(2);
const once = (socket, event) => new Promise((resolve) => socket.once(event, resolve));
const watch = (socket) => {
  const seen = [];
  socket.on("activity", (message) => seen.push(...message.items));
  return seen;
};
const until = async (holds) => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 10));
};

const refused = io(`${url}/proctor`, { auth: { token: studentToken } });
const refusal = await once(refused, "connect_error");
refused.close();
const elsewhere = io(url, { auth: { token: studentToken } });
const nowhere = await once(elsewhere, "connect_error");
elsewhere.close();

const console1 = io(`${url}/proctor`, { auth: { token: proctorToken } });
const seen1 = watch(console1);
const joined1 = await console1.emitWithAck("join", { examId });

const student = io(`${url}/exam`, { auth: { token: studentToken } });
const started = await student.emitWithAck("start", { examId });
const tab = await student.emitWithAck("tab_change", { seq: 1, hidden: true });
const again = await student.emitWithAck("tab_change", { seq: 1, hidden: true });
await until(() => seen1.some((item) => item.type === "tab_change"));
const transport = student.io.engine.transport.name;

console1.close();
const chat = await student.emitWithAck("chat", { seq: 2, text: "Hello?" });
const heartbeat = await student.emitWithAck("heartbeat");
const unknown = await student.emitWithAck("dance", {});
const binary = await student.emitWithAck("chat", { text: new Uint8Array([1, 2, 3]) });

const console2 = io(`${url}/proctor`, { auth: { token: proctorToken } });
const seen2 = watch(console2);
const since = seen1.at(-1).offset;
const joined2 = await console2.emitWithAck("join", { examId, since, epoch: joined1.data.epoch });

const written = once(student, "chat");
const requestId = crypto.randomUUID();
const answer = { requestId, examId, sessionId: started.data.session.id, text: "Yes." };
const answered = await console2.emitWithAck("chat", answer);
const told = await written;
const ended = await student.emitWithAck("end");
await until(() => seen2.some((item) => item.type === "session_ended"));

process.stdout.write(
  JSON.stringify({
    refusal: refusal.data,
    nowhere: nowhere.data,
    joined1,
    started,
    tab,
    again,
    transport,
    chat,
    heartbeat,
    unknown,
    binary,
    joined2,
    answered,
    told,
    ended,
    offsets1: seen1.map((item) => item.offset),
    offsets2: joined2.data.activity.concat(seen2).map((item) => item.offset),
    types2: joined2.data.activity.concat(seen2).map((item) => item.type),
  }),
);
student.close();
console2.close();
