/** Text as it stands in the code's docstrings, and code that can be copied. */

import { useRef, useState } from "preact/hooks";

/** What stands between backticks is code. */
export function Text({ of }: { of: string }) {
  return <>{of.split("`").map((part, at) => (at % 2 ? <code key={at}>{part}</code> : part))}</>;
}

/** A docstring: an empty line begins a paragraph. */
export function About({ of }: { of: string }) {
  const paragraphs = of.split(/\n\s*\n/).filter(Boolean);
  return (
    <>
      {paragraphs.map((one) => (
        <p key={one}>
          <Text of={one} />
        </p>
      ))}
    </>
  );
}

/** `what` tells one copy button from the others for who cannot see where it stands. */
export function Code({ what, children }: { what: string; children: string }) {
  const code = useRef<HTMLElement>(null);
  const [said, setSaid] = useState("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(children);
      setSaid("Copied.");
    } catch {
      // Without HTTPS a page may not write there: then what is to be copied is at least selected.
      if (code.current) getSelection()?.selectAllChildren(code.current);
      setSaid("Selected: copy it with the keyboard.");
    }
  };
  return (
    <div class="code">
      <pre>
        <code ref={code}>{children}</code>
      </pre>
      <p class="actions">
        <button type="button" onClick={copy}>
          Copy<span class="hidden-visually"> {what}</span>
        </button>
        <span role="status">{said}</span>
      </p>
    </div>
  );
}
