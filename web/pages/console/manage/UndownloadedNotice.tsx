/** On every page but the import's own: passwords are waiting there, and are shown nowhere else. */

import { currentImport } from "./importing";

export function UndownloadedNotice() {
  const now = currentImport.value?.progress.value;
  if (!now || !(now.running || now.unsaved)) return null;
  return (
    <p class="notice">
      {now.running ? "An import is under way. " : "The last import’s passwords have not been downloaded yet. "}
      <a href="#/manage/users/import">Show the import</a>
    </p>
  );
}
