/// Words of whose a device is, and who had it when.
import type { RoomWords } from "./rooms.nb";

export const holders: RoomWords["holders"] = {
  notKnown: "Whose the devices are has not been fetched yet.",
  nobodys: "Not assigned",
  give: "Assign …",
  takeBack: "Take back …",
  forDevice: (device) => ` ${device}`,
  history: "Who has had it",
  historyOf: (device) => `Who has had ${device}`,
  since: (t) => `from ${t}`,
  span: (from, to) => `${from} to ${to}`,
  never: "Nobody has had it.",
  byFile: "from the municipality file",
  given: (who) => `assigned by ${who}`,
  ended: (who) => `taken back by ${who}`,
  giveTitle: (device) => `Assign ${device}`,
  takeBackTitle: (device, name) => `Take ${device} back from ${name}`,
  choose: "Choose a patient",
  who: "Who is to have it?",
  slot: "User no. on the device",
  slotWhat: "Only when the device has several users.",
  when: "From when?",
  now: "Now",
  earlier: "An earlier time",
  at: "Date and time",
  why: "Why?",
  whyWhat: "Kept in the log of who did what.",
  next: "See what follows",
  wrong: {
    patient: "Choose who is to have it.",
    at: "Give a time that has been.",
    why: "Say why, in three characters or more.",
    slot: "Give a number from 0 to 254.",
  },
  sureGive: (device, name, t) => `What ${device} measures from ${t} on is ${name}'s.`,
  sureTakeBack: (device, name, t) =>
    `What ${device} measures from ${t} on is no longer ${name}'s. It goes into quarantine until the device is assigned to somebody.`,
  stays: (n, name) =>
    n === 1
      ? `1 reading after this is stored under ${name} already and stays there. If it was somebody else's, mark it as invalid on the patient's page.`
      : `${n} readings after this are stored under ${name} already and stay there. If they were somebody else's, mark them as invalid on the patient's page.`,
  staysNone: "No reading after this is stored yet.",
  aside: (n) =>
    n === 1
      ? "1 message from the time without a patient is in quarantine and is not moved."
      : `${n} messages from the time without a patient are in quarantine and are not moved.`,
  giveDo: "Assign",
  takeBackDo: "Take back",
  done: { give: (device) => `${device} is assigned.`, takeBack: (device) => `${device} is taken back.` },
  search: "Search gateway, place, device or patient",
  trouble: "Only what needs looking after",
  shown: (n, of) => `Showing ${n} of ${of}`,
  more: "Show more",
};
