/** A password that was made and is shown this once: to be copied, read out or written down. */

import { Copy } from "./Copy";
import { groups, spelled } from "./making";

export function Secret({ password, of, close }: { password: string; of: string; close: () => void }) {
  return (
    <>
      <p>The password of {of}, shown only now. Hand it over before you close this.</p>
      <p class="secret" aria-hidden="true">
        {groups(password).map((group) => (
          <code>{group}</code>
        ))}
      </p>
      <p class="hidden-visually">The password, spelled: {spelled(password)}</p>
      <p class="quiet">The gaps are only for reading: the password has none.</p>
      <div class="actions">
        <Copy text={password} what="password" />
        <button type="button" class="primary" onClick={close}>
          Done
        </button>
      </div>
    </>
  );
}
