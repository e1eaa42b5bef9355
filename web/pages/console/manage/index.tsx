/** The management of exams and people: which of its pages is shown to whom. */

import { useEffect } from "preact/hooks";
import type { JSX } from "preact";
import type { Api, Role, User } from "@shared/api";
import { Announcer } from "./Announcer";
import { ExamPage } from "./ExamPage";
import { Exams } from "./Exams";
import { forgetOthers } from "./importing";
import { ImportPage } from "./ImportPage";
import "./manage.css";
import { NotForYou } from "./NotForYou";
import { OrganisationPage } from "./OrganisationPage";
import { Organisations } from "./Organisations";
import { UndownloadedNotice } from "./UndownloadedNotice";
import { Users } from "./Users";

export interface Shown {
  api: Api;
  who: User;
}

/** What each role may see: the first part of a section's name. */
const PLACES: Record<Role, string[]> = {
  ADMIN: ["exams", "users", "organisation"],
  SALES: ["organisations", "users"],
  PROCTOR: [],
  STUDENT: [],
};

/** `section`: what follows `#/manage/` in the location's hash. */
export function Manage({ api, who, section }: Shown & { section: string }): JSX.Element {
  useEffect(() => forgetOthers(who.id), [who.id]);
  const [place = "", id] = section.split("/");
  return (
    <div class="page manage">
      <Announcer section={section}>
        {section !== "users/import" && <UndownloadedNotice />}
        {PLACES[who.role].includes(place) ? (
          <Section api={api} who={who} place={place} id={id || undefined} />
        ) : (
          <NotForYou api={api} who={who} />
        )}
      </Announcer>
    </div>
  );
}

function Section({ api, who, place, id }: Shown & { place: string; id: string | undefined }) {
  if (place === "exams") return id ? <ExamPage key={id} api={api} id={id} /> : <Exams api={api} />;
  if (place === "organisation") return <OrganisationPage api={api} who={who} />;
  if (place === "organisations") return <Organisations api={api} />;
  if (id === "import" && who.role === "ADMIN") return <ImportPage api={api} who={who} />;
  return <Users api={api} who={who} />;
}
