/** The reference of REST and Socket.IO, from the documents that the server publishes of itself. */

import { render, type ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useMemo, useState } from "preact/hooks";
import { Api, saying } from "@shared/api";
import { Problem } from "@shared/parts";
import "@shared/theme.css";
import "./docs.css";
import { Contents } from "./Contents";
import {
  codesOf,
  eventsOf,
  operationsOf,
  shapesOf,
  type AsyncApi,
  type Entry,
  type Group,
  type OpenApi,
} from "./contract";
import { SocketEvent } from "./Events";
import { Errors, Introduction } from "./Introduction";
import { RestOperation } from "./Rest";
import { Fields, Known } from "./Shapes";
import { About } from "./Text";

interface Documents {
  rest: OpenApi;
  events: AsyncApi;
}

async function load(): Promise<Documents> {
  const api = new Api(null);
  const [rest, events] = await Promise.all([api.get<OpenApi>("/openapi.json"), api.get<AsyncApi>("/asyncapi.json")]);
  return { rest, events };
}

function Page() {
  const [documents, setDocuments] = useState<Documents | null>(null);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    load().then(setDocuments, (error: unknown) => setProblem(saying(error)));
  }, []);
  return documents ? (
    <Reference {...documents} />
  ) : (
    <main class="page">
      <h1>API</h1>
      {problem ? <Problem>{problem}</Problem> : <p role="status">The documents are being fetched …</p>}
    </main>
  );
}

function Reference({ rest, events }: Documents) {
  const { operations, sent, shapes, eventShapes, all } = useMemo(() => {
    const operations = operationsOf(rest);
    const sent = eventsOf(events);
    const shapes = shapesOf("rest", "Shapes of REST", rest.components.schemas);
    const eventShapes = shapesOf("event", "Shapes of events", events.components.schemas);
    return { operations, sent, shapes, eventShapes, all: [...operations, ...sent, shapes, eventShapes] };
  }, [rest, events]);
  // The browser looked for the hash when nothing was there yet.
  useLayoutEffect(() => {
    document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
  }, []);
  return (
    <>
      <a class="skip" href="#content">
        Skip to the reference
      </a>
      <header class="top">
        <h1>{rest.info.title}: API</h1>
        <p class="quiet">
          Version {rest.info.version}. As <a href="/openapi.json">OpenAPI</a> and <a href="/asyncapi.json">AsyncAPI</a>.
        </p>
      </header>
      <div class="reference">
        <Contents groups={all} />
        <main id="content" tabIndex={-1}>
          <Introduction about={events.info.description ?? ""} />
          <Errors codes={codesOf(events)} />
          <Known.Provider value={{ kind: "rest", schemas: rest.components.schemas }}>
            <h2 id="rest">REST</h2>
            {operations.map((group) => (
              <Section key={group.id} of={group} each={(one) => <RestOperation of={one} />} />
            ))}
          </Known.Provider>
          <Known.Provider value={{ kind: "event", schemas: events.components.schemas }}>
            <h2 id="events">Socket.IO</h2>
            {sent.map((group) => (
              <Section key={group.id} of={group} each={(one) => <SocketEvent of={one} />} />
            ))}
          </Known.Provider>
          <h2 id="shapes">Shapes</h2>
          {[
            { kind: "rest", group: shapes, schemas: rest.components.schemas },
            { kind: "event", group: eventShapes, schemas: events.components.schemas },
          ].map(({ kind, group, schemas }) => (
            <Known.Provider key={kind} value={{ kind, schemas }}>
              <Section
                of={group}
                each={({ title, about, schema }) => (
                  <>
                    <About of={about} />
                    <Fields of={schema} caption={`Fields of ${title}`} />
                  </>
                )}
              />
            </Known.Provider>
          ))}
        </main>
      </div>
    </>
  );
}

function Section<One extends Entry>({ of, each }: { of: Group<One>; each: (one: One) => ComponentChildren }) {
  return (
    <section aria-labelledby={of.id}>
      <h3 id={of.id}>{of.title}</h3>
      <About of={of.about} />
      {of.entries.map((one) => (
        <article key={one.id} aria-labelledby={one.id} class="entry">
          <h4 id={one.id}>
            <a href={`#${one.id}`}>{one.title}</a>
          </h4>
          {each(one)}
        </article>
      ))}
    </section>
  );
}

render(<Page />, document.getElementById("page")!);
