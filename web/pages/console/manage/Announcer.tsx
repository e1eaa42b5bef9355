/** What went well, said once at the top of the page: to be seen, and read out politely. */

import { createContext, type ComponentChildren } from "preact";
import { useCallback, useContext, useEffect, useRef, useState } from "preact/hooks";

type Say = (text: string) => void;

const Saying = createContext<Say>(() => undefined);

/** Say that something went well. What is said just before another section is opened is still shown there. */
export function useSay(): Say {
  return useContext(Saying);
}

const JUST_NOW_MS = 1000;

export function Announcer({ section, children }: { section: string; children: ComponentChildren }) {
  const [text, setText] = useState("");
  const saidAt = useRef(0);
  const say = useCallback((what: string) => {
    saidAt.current = Date.now();
    setText(what);
  }, []);
  useEffect(() => {
    if (Date.now() - saidAt.current > JUST_NOW_MS) setText("");
  }, [section]);
  return (
    <Saying.Provider value={say}>
      <p role="status" class="done">
        {text}
      </p>
      {children}
    </Saying.Provider>
  );
}
