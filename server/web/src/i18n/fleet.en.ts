/// Words of the gateways and devices, and of who may speak as a gateway.
import type { RoomWords } from "./rooms.nb";

export const fleet: RoomWords["fleet"] = {
  title: "Equipment",
  gateways: "Gateways in the homes",
  none: "No gateways are enrolled.",
  gateway: "Gateway",
  online: "Online",
  offline: "Not answering",
  lastHeard: "Last heard",
  queued: "Queued",
  software: "Software",
  config: "Configuration",
  configState: { applied: "applied", waiting: "waiting", refused: "refused" },
  configRefused: "The gateway refuses its new configuration and keeps the old one",
  devices: "Devices",
  notes: "The gateway says",
  strangers: "Strange devices nearby",
  strangersWhat: "Seen on the radio but assigned to nobody. Their readings are not stored.",
  quarantine: "Quarantine",
  quarantineWhat: "Could not be filed under a patient. The bytes are kept.",
  quarantineNone: "Nothing in quarantine.",
  reason: "Reason",
  bytes: "Bytes",
  explanation: "Explanation",
};

export const identity: RoomWords["identity"] = {
  none: "Has no certificate.",
  until: (when) => `Its certificate lasts until ${when} and renews itself.`,
  revoked: "Revoked: nothing of it is taken in until it is claimed anew.",
  code: "Make a claim code",
  write: (hours) => `Write the code down now. It is shown only here, and is good once within the next ${hours} hours.`,
  revoke: "Revoke",
  title: (gateway) => `Revoke ${gateway}`,
  what: "The gateway is cut off at once, and what it still sends is put into quarantine. It comes back only with a new code.",
  why: "Why? It is written into the log.",
  whyShort: "Say why, in three characters or more.",
  done: (gateway) => `${gateway} is revoked.`,
};
