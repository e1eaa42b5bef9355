/** Lists of people as spreadsheets write and read them: CSV with `,` or `;`, or the tabs of copied cells. */

import { ProctoringError } from "@client/errors";

export interface Row {
  /** On which line of the text it begins, from 1. */
  line: number;
  cells: string[];
}

/** The rows that are not empty. A cell in quotation marks may hold separators, line breaks and doubled marks. */
export function parse(text: string): Row[] {
  const source = text.replace(/^\uFEFF/, "").replace(/\r\n?/g, "\n");
  const separator = separatorOf(source);
  const rows: Row[] = [];
  let cells: string[] = [];
  let cell = "";
  let [line, begun, quotedSince] = [1, 1, 0];
  const endCell = () => {
    cells.push(cell);
    cell = "";
  };
  const endRow = () => {
    endCell();
    if (cells.some((one) => one.trim())) rows.push({ line: begun, cells });
    cells = [];
  };
  for (let at = 0; at < source.length; at++) {
    const one = source[at]!;
    if (one === "\n") line++;
    if (quotedSince) {
      if (one !== '"') cell += one;
      else if (source[at + 1] === '"') cell += source[++at];
      else quotedSince = 0;
    } else if (one === '"' && !cell.trim()) {
      cell = "";
      quotedSince = line;
    } else if (one === separator) {
      endCell();
    } else if (one === "\n") {
      endRow();
      begun = line;
    } else {
      cell += one;
    }
  }
  if (quotedSince) {
    throw new ProctoringError("invalid_payload", `The quotation mark in line ${quotedSince} is never closed.`);
  }
  endRow();
  return rows;
}

/** The one that the first line has most of, outside of quotation marks. */
function separatorOf(source: string): string {
  const header = source
    .trimStart()
    .replace(/"[^"]*"/g, "")
    .split("\n", 1)[0]!;
  const number = (one: string) => header.split(one).length;
  return [",", ";", "\t"].reduce((best, one) => (number(one) > number(best) ? one : best));
}

/** A file that a spreadsheet opens: with a mark that it is UTF-8, every cell in quotation marks and none a formula. */
export function write(rows: string[][]): string {
  const cell = (value: string) => `"${guarded(value).replaceAll('"', '""')}"`;
  return `\uFEFF${rows.map((cells) => `${cells.map(cell).join(",")}\r\n`).join("")}`;
}

/** A spreadsheet would compute, and so perhaps send away, what begins so. */
function guarded(value: string): string {
  return /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
}
