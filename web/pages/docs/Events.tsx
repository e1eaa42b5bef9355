/** The events of Socket.IO. */

import { useContext } from "preact/hooks";
import { socketUrl } from "@shared/api";
import type { Event } from "./contract";
import { emit, exampleOf, listen, pretty } from "./example";
import { Fields, Known, Type } from "./Shapes";
import { About, Code } from "./Text";

export function SocketEvent({ of: one }: { of: Event }) {
  const { schemas } = useContext(Known);
  const url = socketUrl() + one.namespace;
  const which = `${one.title} of ${one.namespace}`;
  const example = exampleOf(one.payload, schemas, !one.ack);
  return (
    <>
      <About of={one.about} />
      <h5>
        Payload: <Type of={one.payload} />
      </h5>
      <Fields of={one.payload} caption={`Payload of ${which}`} />
      <h5>Example of a payload</h5>
      <Code what={`the payload of ${which}`}>{pretty(example)}</Code>
      {one.ack && (
        <>
          <h5>
            Data of the ack: <Type of={one.ack.data} />
          </h5>
          <Fields of={one.ack.data} caption={`Data of the ack of ${which}`} />
          <details>
            <summary>
              Example of an ack<span class="hidden-visually"> of {which}</span>
            </summary>
            <Code what={`the ack of ${which}`}>{pretty(exampleOf(one.ack.whole, schemas, true))}</Code>
          </details>
        </>
      )}
      <h5>With socket.io-client</h5>
      <Code what={`the lines for ${which}`}>{one.ack ? emit(url, one.title, example) : listen(url, one.title)}</Code>
    </>
  );
}
