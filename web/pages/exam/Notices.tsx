/** What is good to know and does not interrupt: more time, a pause that is over. */

import type { Taking } from "./taking";

export function Notices({ taking }: { taking: Taking }) {
  return (
    <div class="notices" role="status">
      {taking.notices.value.map((one) => (
        <p key={one.id} class="notice">
          <span>{one.text}</span>
          <button onClick={() => taking.dismiss(one)} aria-label={`Dismiss: ${one.text}`}>
            Dismiss
          </button>
        </p>
      ))}
    </div>
  );
}
