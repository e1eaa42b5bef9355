/** A password that was made and is shown this once: to be copied, read out or written down. */

import { Copy } from "./Copy";
import { spelled } from "./making";

export function Secret({ password, of, close }: { password: string; of: string; close: () => void }) {
  return (
    <>
      <p>The password of {of}, shown only now. Hand it over before you close this.</p>
      <p class="secret" aria-hidden="true">
        <code>{password}</code>
      </p>
      <p class="hidden-visually">The password, spelled: {spelled(password)}</p>
      <div class="actions">
        <Copy text={password} what="password" />
        <button type="button" class="primary" onClick={close}>
          Done
        </button>
      </div>
    </>
  );
}
