/// The server's routes as typed functions. The types come from its OpenAPI (`npm run types`), so a changed route
/// breaks this build and not a nurse's evening.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.gen";

type Schemas = components["schemas"];
export type About = Schemas["About"];
export type User = Schemas["User"];
export type Text = Schemas["Text"];
export type Priority = Schemas["AlarmBrief"]["priority"];
export type Value = Schemas["Value"];
export type ReasonView = Schemas["ReasonView"];
export type AlarmBrief = Schemas["AlarmBrief"];
export type AlarmView = Schemas["AlarmView"];
export type PatientBrief = Schemas["PatientBrief"];
export type News2 = Schemas["News2"];
export type WorklistRow = Schemas["WorklistRow"];
export type Worklist = Schemas["Worklist"];
export type PatientPage = Schemas["PatientPage"];
export type DeviceView = Schemas["DeviceView"];
export type Readings = Schemas["Readings"];
export type LatestReadings = Schemas["LatestReadings"];
export type Measured = Schemas["Measured"];
export type InvalidateBody = Schemas["Invalidate"];
export type Wrong = InvalidateBody["reason"];
export type DispenserEvent = Schemas["DispenserEvent"];
export type OrderNew = Schemas["OrderNew"];
export type OrderLook = Schemas["OrderLook"];
export type OrderView = Schemas["OrderView"];
export type CloseBody = Schemas["Close"];
export type AssessBody = Schemas["Assess"];
export type SnoozeBody = Schemas["Snooze"];
export type HandOverBody = Schemas["HandOver"];
export type SendBody = Schemas["SendOn"];
export type Recipients = Schemas["Recipients"];
export type SbarNote = Schemas["Note"];
export type CaseView = Schemas["CaseView"];
export type Cases = Schemas["Cases"];
export type ReplyBody = Schemas["Reply"];
export type Conflict = Schemas["Conflict"];
export type Question = Schemas["Question"];
export type Wish = Schemas["WishView"];
export type Proposal = Schemas["ProposalView"];
export type DecideBody = Schemas["Decide"];
export type HeldValue = Schemas["HeldValue"];
export type AnswerBody = Schemas["Answer"];
export type PhoneMessage = Schemas["PhoneMessage"];
export type GatewayView = Schemas["GatewayView"];
export type QuarantineRow = Schemas["QuarantineRow"];
export type MyWays = Schemas["MyWays"];
export type Way = Schemas["WayView"];
export type NewWay = Schemas["NewWay"];
export type Wanted = Schemas["Wanted"];
export type Filters = Schemas["Filters"];
export type SavedFilter = Schemas["SavedFilter"];
export type Holder = Schemas["Holder"];
export type GiveBody = Schemas["Give"];
export type TakeBackBody = Schemas["TakeBack"];
export type Follows = Schemas["Follows"];

export const client = createClient<paths>({ baseUrl: "/" });

/// What the server answered instead of what was asked for. `message` is its own sentence: what is wrong, what to do.
export class Refused extends Error {
  constructor(
    readonly status: number,
    detail: string,
    readonly conflict: Conflict | null,
    /// What is still to be given with the same request: a code at sign-in.
    readonly needs: string | null = null,
  ) {
    super(detail);
  }
}

/// Whether what was asked for is not, or no longer, to be shown to whoever asks: what they had of it must go as well.
export const withheld = (error: unknown): boolean =>
  error instanceof Refused && [401, 403, 404].includes(error.status);

function detailOf(body: unknown): string {
  const detail = (body as { detail?: unknown } | undefined)?.detail;
  return typeof detail === "string" ? detail : "";
}

export async function answer<T>(asked: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await asked;
  if (response.ok) return data as T;
  const conflict = response.status === 409 && error ? (error as Conflict) : null;
  const needs = (error as { needs?: string } | undefined)?.needs ?? null;
  throw new Refused(response.status, detailOf(error), conflict, needs);
}

type Language = "nb" | "en";
const wayPath = (id: string) => ({ path: { way_id: Number(id) } });

export const api = {
  about: () => answer(client.GET("/api/about")),
  session: () => answer(client.GET("/api/session")),
  signIn: (username: string, password: string, code: string | null) =>
    answer(client.POST("/api/session", { body: { username, password, code } })),
  signOut: () => answer(client.DELETE("/api/session")),
  worklist: () => answer(client.GET("/api/worklist")),
  patient: (patient_id: string) =>
    answer(client.GET("/api/patients/{patient_id}", { params: { path: { patient_id } } })),
  readings: (patient_id: string, channel: string, from_ms: number, to_ms: number) =>
    answer(
      client.GET("/api/patients/{patient_id}/readings", {
        params: { path: { patient_id }, query: { channel, from_ms, to_ms } },
      }),
    ),
  latestReadings: (patient_id: string, channel: string) =>
    answer(
      client.GET("/api/patients/{patient_id}/readings/latest", {
        params: { path: { patient_id }, query: { channel } },
      }),
    ),
  invalidate: (patient_id: string, body: InvalidateBody) =>
    answer(client.POST("/api/patients/{patient_id}/readings/invalidate", { params: { path: { patient_id } }, body })),
  reinstate: (patient_id: string, correction: string, why: string) =>
    answer(
      client.POST("/api/patients/{patient_id}/readings/reinstate", {
        params: { path: { patient_id } },
        body: { correction, why },
      }),
    ),
  dispenser: (patient_id: string, from_ms: number, to_ms: number) =>
    answer(
      client.GET("/api/patients/{patient_id}/dispenser", {
        params: { path: { patient_id }, query: { from_ms, to_ms } },
      }),
    ),
  orders: (patient_id: string) =>
    answer(client.GET("/api/patients/{patient_id}/orders", { params: { path: { patient_id } } })),
  order: (patient_id: string, body: OrderNew) =>
    answer(client.POST("/api/patients/{patient_id}/orders", { params: { path: { patient_id } }, body })),
  lookedAtOrder: (patient_id: string, order_id: string, body: OrderLook) =>
    answer(
      client.POST("/api/patients/{patient_id}/orders/{order_id}/look", {
        params: { path: { patient_id, order_id } },
        body,
      }),
    ),
  acknowledge: (alarm_id: string) =>
    answer(client.POST("/api/alarms/{alarm_id}/acknowledge", { params: { path: { alarm_id } }, body: { note: "" } })),
  escalate: (alarm_id: string, note: string) =>
    answer(client.POST("/api/alarms/{alarm_id}/escalate", { params: { path: { alarm_id } }, body: { note } })),
  undo: (alarm_id: string) =>
    answer(client.POST("/api/alarms/{alarm_id}/undo", { params: { path: { alarm_id } }, body: {} })),
  assess: (alarm_id: string, body: AssessBody) =>
    answer(client.POST("/api/alarms/{alarm_id}/assess", { params: { path: { alarm_id } }, body })),
  snooze: (alarm_id: string, body: SnoozeBody) =>
    answer(client.POST("/api/alarms/{alarm_id}/snooze", { params: { path: { alarm_id } }, body })),
  handOver: (alarm_id: string, body: HandOverBody) =>
    answer(client.POST("/api/alarms/{alarm_id}/hand-over", { params: { path: { alarm_id } }, body })),
  reopen: (alarm_id: string, why: string) =>
    answer(client.POST("/api/alarms/{alarm_id}/reopen", { params: { path: { alarm_id } }, body: { why } })),
  send: (alarm_id: string, body: SendBody) =>
    answer(client.POST("/api/alarms/{alarm_id}/send", { params: { path: { alarm_id } }, body })),
  recipients: (alarm_id: string, by: "hand_over" | "case") =>
    answer(client.GET("/api/alarms/{alarm_id}/recipients", { params: { path: { alarm_id }, query: { by } } })),
  sbar: (alarm_id: string) => answer(client.GET("/api/alarms/{alarm_id}/sbar", { params: { path: { alarm_id } } })),
  cases: () => answer(client.GET("/api/cases")),
  openCase: (case_id: string) => answer(client.POST("/api/cases/{case_id}/open", { params: { path: { case_id } } })),
  answerCase: (case_id: string, body: ReplyBody) =>
    answer(client.POST("/api/cases/{case_id}/answer", { params: { path: { case_id } }, body })),
  readCase: (case_id: string) => answer(client.POST("/api/cases/{case_id}/read", { params: { path: { case_id } } })),
  close: (alarm_id: string, body: CloseBody) =>
    answer(client.POST("/api/alarms/{alarm_id}/close", { params: { path: { alarm_id } }, body })),
  answer: (question_id: string, body: AnswerBody) =>
    answer(client.POST("/api/questions/{question_id}/answer", { params: { path: { question_id } }, body })),
  decide: (patient_id: string, proposal_id: string, body: DecideBody) =>
    answer(
      client.POST("/api/patients/{patient_id}/proposals/{proposal_id}/decide", {
        params: { path: { patient_id, proposal_id } },
        body,
      }),
    ),
  phone: () => answer(client.GET("/api/phone", { params: { query: { after_id: 0 } } })),
  fleet: () => answer(client.GET("/api/fleet")),
  claimCode: (gateway: string) => answer(client.POST("/api/fleet/{gateway}/code", { params: { path: { gateway } } })),
  revoke: (gateway: string, reason: string) =>
    answer(client.POST("/api/fleet/{gateway}/revoke", { params: { path: { gateway } }, body: { reason } })),
  quarantine: () => answer(client.GET("/api/quarantine")),
  myWays: () => answer(client.GET("/api/me/ways")),
  addWay: (body: NewWay) => answer(client.POST("/api/me/ways", { body })),
  sendWayCode: (id: string, language: Language) =>
    answer(client.POST("/api/me/ways/{way_id}/code", { params: wayPath(id), body: { language } })),
  confirmWay: (id: string, code: string) =>
    answer(client.POST("/api/me/ways/{way_id}/confirm", { params: wayPath(id), body: { code } })),
  changeWay: (id: string, after_s: number) =>
    answer(client.PUT("/api/me/ways/{way_id}", { params: wayPath(id), body: { after_s } })),
  testWay: (id: string, language: Language) =>
    answer(client.POST("/api/me/ways/{way_id}/test", { params: wayPath(id), body: { language } })),
  removeWay: (id: string) => answer(client.DELETE("/api/me/ways/{way_id}", { params: wayPath(id) })),
  lookAt: (stream: string, patient_id: string | null) =>
    answer(client.PUT("/api/presence", { body: { stream, patient_id } })),
  review: (patient_id: string) =>
    answer(client.POST("/api/patients/{patient_id}/review", { params: { path: { patient_id } } })),
  filters: () => answer(client.GET("/api/filters")),
  saveFilter: (body: SavedFilter) => answer(client.PUT("/api/filters", { body })),
  removeFilter: (name: string) => answer(client.DELETE("/api/filters", { params: { query: { name } } })),
  useFilter: (wanted: Wanted | null) => answer(client.PUT("/api/filters/last", { body: wanted })),
  holders: () => answer(client.GET("/api/fleet/holders")),
  deviceHolders: (device: string) =>
    answer(client.GET("/api/fleet/devices/{device}/holders", { params: { path: { device } } })),
  give: (device: string, body: GiveBody) =>
    answer(client.POST("/api/fleet/devices/{device}/give", { params: { path: { device } }, body })),
  takeBack: (device: string, body: TakeBackBody) =>
    answer(client.POST("/api/fleet/devices/{device}/take-back", { params: { path: { device } }, body })),
};
