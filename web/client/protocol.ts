// Made from /asyncapi.json: change the server's payload models and say `make types`.

export interface Schemas {
  Accommodation?: Accommodation;
  Activity?: Activity;
  ActivityPush?: ActivityPush;
  AnyActivity?: AnyActivity;
  Author?: Author;
  Chat?: Chat;
  ChatMessage?: ChatMessage;
  Command?: Command;
  CommandAck?: CommandAck;
  Commanded?: Commanded;
  CommandsPush?: CommandsPush;
  Counts?: Counts;
  Draining?: Draining;
  Ended?: Ended;
  ErrorDetail?: ErrorDetail;
  EventError?: EventError;
  Exam?: Exam;
  GivenCommand?: GivenCommand;
  Hand?: Hand;
  HeartbeatAck?: HeartbeatAck;
  Join?: Join;
  Joined?: Joined;
  Leave?: Leave;
  LedgerItem?: LedgerItem;
  LowerHand?: LowerHand;
  LowerStudentHand?: LowerStudentHand;
  NoPayload?: NoPayload;
  Nothing?: Nothing;
  Policy?: Policy;
  PresencePush?: PresencePush;
  ProctorChat?: ProctorChat;
  ProctoringSession?: ProctoringSession;
  RaiseHand?: RaiseHand;
  Recorded?: Recorded;
  Rejected?: Rejected;
  Replay?: Replay;
  Replayed?: Replayed;
  Review?: Review;
  Start?: Start;
  Started?: Started;
  TabChange?: TabChange;
  UserName?: UserName;
}
/**
 * More time for one student.
 */
export interface Accommodation {
  userId: string;
  /**
   * whole minutes
   */
  extraMinutes: number;
}
/**
 * One record of an exam's log, as a console sees it.
 */
export interface Activity {
  id: string;
  offset: number;
  examId: string;
  sessionId: string | null;
  userId: string | null;
  organisationId: string;
  type:
    | "tab_change"
    | "window_blur"
    | "window_focus"
    | "fullscreen_exit"
    | "fullscreen_enter"
    | "copy"
    | "cut"
    | "paste"
    | "print"
    | "page_reload"
    | "network_lost"
    | "network_restored"
    | "right_click"
    | "resize"
    | "blocked_shortcut"
    | "multiple_displays"
    | "devtools_suspected"
    | "chat"
    | "session_started"
    | "session_ended"
    | "connected"
    | "disconnected"
    | "second_connection"
    | "heartbeat_missing"
    | "heartbeat_resumed"
    | "server_restarted"
    | "admitted"
    | "paused"
    | "resumed"
    | "time_added"
    | "warned"
    | "reinstated"
    | "hand_raised"
    | "hand_lowered"
    | "reviewed";
  severity: "info" | "low" | "medium" | "high" | "critical";
  source: "client" | "server" | "proctor";
  actorId: string | null;
  clientId: string | null;
  seq: number | null;
  occurredAt: string | null;
  receivedAt: string;
  late: boolean;
  data: {
    [k: string]: string | number | boolean | null;
  };
}
/**
 * In offset order; the first after a join continues where its ack ended.
 */
export interface ActivityPush {
  examId: string;
  items: Activity[];
}
export interface AnyActivity {
  seq?: number | null;
  occurredAt?: string | null;
  type:
    | "tab_change"
    | "window_blur"
    | "window_focus"
    | "fullscreen_exit"
    | "fullscreen_enter"
    | "copy"
    | "cut"
    | "paste"
    | "print"
    | "page_reload"
    | "network_lost"
    | "network_restored"
    | "right_click"
    | "resize"
    | "blocked_shortcut"
    | "multiple_displays"
    | "devtools_suspected"
    | "chat";
  data?: {
    [k: string]: unknown;
  };
}
export interface Author {
  name: string | null;
}
export interface Chat {
  seq?: number | null;
  text: string;
}
/**
 * What a proctor wrote to a student, or to all.
 */
export interface ChatMessage {
  offset: number;
  text: string;
  from: Author;
  at: string;
}
/**
 * `fate`: QUEUED, DELIVERED (sent to a live connection), then ACKNOWLEDGED by the client, or EXPIRED.
 */
export interface Command {
  id: string;
  examId: string;
  sessionId: string;
  action: "admit" | "deny" | "warn" | "pause" | "resume" | "extend" | "terminate" | "reinstate";
  reason: string | null;
  text: string | null;
  minutes: number | null;
  actorId: string | null;
  fate: "QUEUED" | "DELIVERED" | "ACKNOWLEDGED" | "EXPIRED";
  createdAt: string;
  deliveredAt: string | null;
  acknowledgedAt: string | null;
  expiresAt: string;
}
export interface CommandAck {
  commandId: string;
}
export interface Commanded {
  commands: Command[];
}
/**
 * Commands that are new, or whose fate changed.
 */
export interface CommandsPush {
  examId: string;
  items: Command[];
}
/**
 * How many activities of each severity; `heartbeat_missing` and `heartbeat_resumed` count against nobody.
 */
export interface Counts {
  info: number;
  low: number;
  medium: number;
  high: number;
  critical: number;
}
/**
 * The server is about to end: this connection will be closed then, to be made anew with another node.
 */
export interface Draining {
  /**
   * milliseconds
   */
  reconnectInMs: number;
}
export interface Ended {
  session: ProctoringSession;
}
/**
 * `counts` and `verdict` are for consoles: a student is not told.
 */
export interface ProctoringSession {
  id: string;
  rev: number;
  status: "WAITING" | "ACTIVE" | "PAUSED" | "SUBMITTED" | "TIMED_OUT" | "TERMINATED" | "DENIED";
  connectivity: "ONLINE" | "LATE" | "MISSING" | "CLOSED";
  startTime: string;
  endTime: string | null;
  examId: string;
  userId: string;
  organisationId: string;
  lastHeartbeatAt: string | null;
  user: UserName;
  activatedAt: string | null;
  deadline: string | null;
  timeLedger: LedgerItem[];
  /**
   * milliseconds
   */
  remainingMs: number;
  hand: Hand | null;
  lastActivityAt: string | null;
  verdict?: ("UNREVIEWED" | "CLEARED" | "SUSPICIOUS" | "VIOLATION") | null;
  counts?: Counts | null;
  createdAt: string;
  updatedAt: string;
}
/**
 * A user as others show it.
 */
export interface UserName {
  id: string;
  name: string;
}
/**
 * Time that was given back or added, by whom (null: the server) and why.
 */
export interface LedgerItem {
  kind: "extension" | "pause" | "outage";
  /**
   * milliseconds
   */
  ms: number;
  reason: string | null;
  actorId: string | null;
  at: string;
}
/**
 * A raised hand.
 */
export interface Hand {
  raisedAt: string;
  text: string | null;
}
export interface ErrorDetail {
  loc: (string | number)[];
  msg: string;
}
/**
 * The error object that REST and Socket.IO share; `retryAfterMs` with `rate_limited`.
 */
export interface EventError {
  code:
    | "unknown_event"
    | "payload_too_large"
    | "unauthorized"
    | "rate_limited"
    | "forbidden"
    | "not_found"
    | "method_not_allowed"
    | "invalid_payload"
    | "conflict"
    | "unavailable"
    | "internal";
  message: string;
  details?: ErrorDetail[];
  /**
   * milliseconds
   */
  retryAfterMs?: number;
}
export interface Exam {
  id: string;
  title: string;
  duration: number;
  organisationId: string;
  users?: string[];
  startsAt: string | null;
  endsAt: string | null;
  rehearsal: boolean;
  policy: Policy;
  accommodations?: Accommodation[];
  createdAt: string;
  updatedAt: string;
}
/**
 * An exam's policy. Only hidden tabs of an ACTIVE session count towards `tabChangeLimit`; null: there is none.
 */
export interface Policy {
  admission?: "open" | "proctor";
  tabChangeLimit?: number | null;
  onTabChangeLimit?: "flag" | "pause" | "terminate";
  outageCreditMaxMinutes?: number;
}
/**
 * `reason` goes with pause, extend, terminate and reinstate, and may go with deny; `text` with warn; `minutes` with
 * extend. Without `sessionId`: every session of the exam that it fits.
 */
export interface GivenCommand {
  requestId: string;
  examId: string;
  sessionId?: string | null;
  action: "admit" | "deny" | "warn" | "pause" | "resume" | "extend" | "terminate" | "reinstate";
  reason?: string | null;
  text?: string | null;
  minutes?: number | null;
}
export interface HeartbeatAck {
  serverTime: string;
  /**
   * milliseconds
   */
  remainingMs: number;
  /**
   * milliseconds
   */
  nextHeartbeatMs: number;
  status: "WAITING" | "ACTIVE" | "PAUSED" | "SUBMITTED" | "TIMED_OUT" | "TERMINATED" | "DENIED";
}
export interface Join {
  examId: string;
  since?: number | null;
  epoch?: string | null;
}
/**
 * `activity`: all after `since`; `truncated`: only the oldest of it, join again from `offset`.
 */
export interface Joined {
  exam: Exam;
  epoch: string;
  offset: number;
  sessions: ProctoringSession[];
  activity: Activity[];
  truncated: boolean;
  reset: boolean;
}
export interface Leave {
  examId: string;
}
export interface LowerHand {
  seq?: number | null;
}
export interface LowerStudentHand {
  requestId: string;
  sessionId: string;
}
/**
 * An event that takes nothing.
 */
export interface NoPayload {}
/**
 * An empty object.
 */
export interface Nothing {}
/**
 * Sessions that changed; of two copies the one with the higher `rev` is newer.
 */
export interface PresencePush {
  examId: string;
  items: ProctoringSession[];
}
export interface ProctorChat {
  requestId: string;
  examId: string;
  sessionId?: string | null;
  text: string;
}
export interface RaiseHand {
  seq?: number | null;
  text?: string | null;
}
/**
 * Where an entry is in the log. `duplicate`: it had been there before.
 */
export interface Recorded {
  id: string;
  offset: number;
  duplicate?: boolean;
}
export interface Rejected {
  seq: number | null;
  error: EventError;
}
export interface Replay {
  /**
   * @maxItems 500
   *
   * Items: One buffered event: what would have been sent.
   */
  items: {
    event: string;
    payload?: {
      [k: string]: unknown;
    };
  }[];
}
export interface Replayed {
  recorded: number;
  duplicates: number;
  rejected: Rejected[];
}
export interface Review {
  requestId: string;
  sessionId: string;
  verdict: "UNREVIEWED" | "CLEARED" | "SUSPICIOUS" | "VIOLATION";
  note?: string | null;
}
export interface Start {
  examId: string;
  chatSince?: number;
}
export interface Started {
  session: ProctoringSession;
  exam: Exam;
  clientId: string;
  lastSeq: number;
  serverTime: string;
  /**
   * milliseconds
   */
  remainingMs: number;
  /**
   * milliseconds
   */
  heartbeatIntervalMs: number;
  chat: ChatMessage[];
}
export interface TabChange {
  seq?: number | null;
  occurredAt?: string | null;
  hidden?: boolean;
  durationMs?: number | null;
}

/** What a client of /exam sends, and the data of its ack. */
export interface ExamEvents {
  start: { payload: Start; ack: Started };
  heartbeat: { payload: NoPayload; ack: HeartbeatAck };
  tab_change: { payload: TabChange; ack: Recorded };
  chat: { payload: Chat; ack: Recorded };
  activity: { payload: AnyActivity; ack: Recorded };
  raise_hand: { payload: RaiseHand; ack: Recorded };
  lower_hand: { payload: LowerHand; ack: Recorded };
  command_ack: { payload: CommandAck; ack: Nothing };
  replay: { payload: Replay; ack: Replayed };
  end: { payload: NoPayload; ack: Ended };
}

/** What a client of /exam is pushed. */
export interface ExamPushes {
  chat: ChatMessage;
  session: ProctoringSession;
  command: Command;
  replaced: Nothing;
  draining: Draining;
}

/** What a client of /proctor sends, and the data of its ack. */
export interface ProctorEvents {
  join: { payload: Join; ack: Joined };
  leave: { payload: Leave; ack: Nothing };
  chat: { payload: ProctorChat; ack: Recorded };
  command: { payload: GivenCommand; ack: Commanded };
  lower_hand: { payload: LowerStudentHand; ack: Recorded };
  review: { payload: Review; ack: Recorded };
}

/** What a client of /proctor is pushed. */
export interface ProctorPushes {
  activity: ActivityPush;
  presence: PresencePush;
  commands: CommandsPush;
  draining: Draining;
}
