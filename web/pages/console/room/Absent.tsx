/** Students of the exam who have not started, and the way to help one who forgot the password. */

import type { RoomModel } from "./model";
import { NewPassword } from "./NewPassword";

const MOST = 50;

export function Absent({ model, text }: { model: RoomModel; text: string }) {
  const wanted = text.trim().toLocaleLowerCase();
  const absent = model.absent().filter(({ name, email }) => `${name} ${email}`.toLocaleLowerCase().includes(wanted));
  if (!absent.length) return null;
  return (
    <details class="absent" open={wanted !== ""}>
      <summary>{absent.length} not started</summary>
      <p class="quiet">
        Somebody cannot sign in? Find them here, make sure who they are, and give them a new password.
      </p>
      <ul>
        {absent.slice(0, MOST).map((user) => (
          <li key={user.id}>
            <span>
              {user.name} <span class="quiet">{user.email}</span>
            </span>
            <NewPassword api={model.api} userId={user.id} name={user.name} />
          </li>
        ))}
      </ul>
      {absent.length > MOST && <p class="quiet">and {absent.length - MOST} more: search by name or e-mail.</p>}
    </details>
  );
}
