/** The student's page: who is signed in, and which step of the way through an exam comes next. */

import { render } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { Exam } from "@client/protocol";
import { Api, signedIn, signOut, type SignedIn } from "@shared/api";
import "@shared/theme.css";
import "./exam.css";
import { Choose } from "./Choose";
import { Consent } from "./Consent";
import { examOf, forget, Memory } from "./kept";
import { NotStudents } from "./NotStudents";
import { SignedOut } from "./SignedOut";
import { TakingPart } from "./TakingPart";

function Page() {
  const [who, setWho] = useState<SignedIn | null>(signedIn);
  const [expired, setExpired] = useState(false);
  const leave = async (because: "wish" | "expiry") => {
    setExpired(because === "expiry");
    setWho(null);
    await signOut(new Api(who?.token ?? null));
  };
  if (!who) return <SignedOut expired={expired} done={setWho} />;
  const out = () => void leave("wish");
  if (who.user.role !== "STUDENT") return <NotStudents user={who.user} out={out} />;
  return <Student key={who.token} who={who} out={out} expire={() => void leave("expiry")} />;
}

function Student({ who, out, expire }: { who: SignedIn; out: () => void; expire: () => void }) {
  const { user } = who;
  const api = useMemo(() => new Api(who.token, expire), [who]);
  const [chosen, setChosen] = useState<Exam | null>(null);
  const [taken, setTaken] = useState(() => examOf(user.id));
  const back = () => {
    setChosen(null);
    setTaken(null);
    forget(user.id);
  };
  if (taken) return <TakingPart key={taken} who={who} examId={taken} back={back} signInAgain={expire} />;
  if (!chosen) return <Choose api={api} user={user} choose={setChosen} out={out} />;
  const start = () => {
    new Memory(user.id, chosen.id);
    setTaken(chosen.id);
  };
  return <Consent exam={chosen} start={start} back={back} />;
}

render(<Page />, document.getElementById("page")!);
