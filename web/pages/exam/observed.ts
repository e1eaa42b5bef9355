/** What this page lets the library observe, and the same in words: so consent is to what is switched on. */

import { EVERYTHING, SHORTCUTS, type Observed } from "@client/index";

export const OBSERVED: Observed = EVERYTHING;

/** A part in words; `block`: it is prevented as well. */
const WORDS: { [Part in keyof Observed]: (wanted: Exclude<Observed[Part], false>) => string } = {
  visibility: () => "When you go to another tab or minimise the window, and when you come back",
  focus: () => "When you click into another window or program, and when you come back",
  fullscreen: () => "When you go to fullscreen, and when you leave it",
  clipboard: (wanted) => `That you copy, cut or paste, but not what${prevented(wanted)}`,
  contextMenu: (wanted) => `That you open the menu of the right mouse button${prevented(wanted)}`,
  print: () => "That you print this page",
  shortcuts: (wanted) => `That you press a shortcut which does nothing here: ${named(wanted).join(", ")}`,
  reload: () => "That you load this page again, or leave it and come back",
  resize: () => "When you change the size of the window",
  displays: () => "Whether more than one display is connected, where the browser tells",
  network: () => "When your device loses its network, and when it has it again",
};

function named(wanted: true | string[]): string[] {
  return wanted === true ? SHORTCUTS : wanted;
}

function prevented(wanted: true | "block"): string {
  return wanted === "block" ? " (it is prevented, too)" : "";
}

/** What is observed with these options, a sentence each. */
export function inWords(wanted: Observed): string[] {
  const words = <Part extends keyof Observed>(part: Part): string[] => {
    const value = wanted[part];
    return value === false ? [] : [WORDS[part](value as Exclude<Observed[Part], false>)];
  };
  return (Object.keys(WORDS) as (keyof Observed)[]).flatMap((part) => words(part));
}

/** What is known of everybody who takes part, whatever is observed. */
export const ALWAYS = [
  "That this page is open and connected, and when it is not",
  "If you open the exam on a second device: its network address and browser",
  "What you write to the proctors, and that you raise your hand",
];

/** What is not observed; keys are named only where shortcuts are. */
export function notObserved(wanted: Observed): string[] {
  return [
    "No camera and no microphone",
    "Nothing of your screen, and no other page or program",
    wanted.shortcuts === false ? "No key that you press" : "No key that you press, but for the shortcuts named here",
    "Not what you type, copy or paste",
  ];
}
