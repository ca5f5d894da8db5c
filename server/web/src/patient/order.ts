/// An order in words, and which can be given.
import type { OrderView } from "../api";
import type { Words } from "../i18n";

/// The kinds that the page can give. A schedule needs an editor of its own.
export const GIVEN = ["dispense", "lock", "unlock", "test"] as const;
export type Given = (typeof GIVEN)[number];

/// What was ordered: "Give an extra dose now, from compartment 3".
export function asked(kind: OrderView["kind"], data: OrderView["data"], words: Words): string {
  const from = data["compartment"];
  return words.orders.kinds[kind] + (from === undefined ? "" : words.orders.from(String(from)));
}
