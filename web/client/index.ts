/** Proctoring for an exam's page, and for a proctor's console. */

export { connect, ExamClient, isOver, type ExamClientEvents, type ExamOptions } from "./exam";
export { ConsoleClient, watch, type Arrival, type ConsoleEvents, type Wish } from "./console";
export { ProctoringError, type ErrorCode } from "./errors";
export type { ConnectionState, LinkOptions, Token } from "./link";
export { EVERYTHING, SHORTCUTS, type ClientActivity, type Observed } from "./observe";
export type * from "./protocol";
