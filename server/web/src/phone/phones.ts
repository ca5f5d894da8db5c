import type { PhoneMessage } from "../api";

/// Messages by person: whoever heard something last comes first, and each phone's newest message stands on top.
export function phones(messages: readonly PhoneMessage[]): { to: string; newestFirst: PhoneMessage[] }[] {
  const byPerson = new Map<string, PhoneMessage[]>();
  for (const message of messages.toSorted((a, b) => b.id - a.id)) {
    const own = byPerson.get(message.to);
    if (own) own.push(message);
    else byPerson.set(message.to, [message]);
  }
  return [...byPerson].map(([to, newestFirst]) => ({ to, newestFirst }));
}
