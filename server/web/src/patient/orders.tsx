/// Orders to the patient's dispenser: what was ordered, how far each has come, and a dialog for a new one.
///
/// An order's id is drawn when its dialog opens, so pressing twice, or again after the answer was lost, is one order.
import { Button } from "@navikt/ds-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { type OrderView, type PatientPage, api } from "../api";
import * as format from "../format";
import { type Words, useWords } from "../i18n";
import { later } from "../later";
import { FailedToLoad } from "../parts";
import { GIVEN, asked } from "./order";

const TO_LOOK_AT: readonly OrderView["state"][] = ["unknown", "disputed"];

const GiveDialog = later(async () => (await import("./ordering")).GiveDialog);
const LookDialog = later(async () => (await import("./ordering")).LookDialog);

export function Orders({ page, now }: { page: PatientPage; now: number }) {
  const words = useWords();
  const takers = page.devices.filter((device) => GIVEN.some((kind) => device.orders.includes(kind)));
  const id = page.patient.id;
  const orders = useQuery({ queryKey: ["patient", id, "orders"], queryFn: () => api.orders(id) });
  const [asking, ask] = useState<string | OrderView | null>(null);
  if (orders.isError && !orders.data) return <FailedToLoad error={orders.error} retry={() => void orders.refetch()} />;
  if (!orders.data || (takers.length === 0 && orders.data.length === 0)) return null;
  const done = () => ask(null);
  return (
    <section className="card orders" aria-labelledby="orders">
      <div className="trends-head">
        <h2 id="orders">{words.orders.title}</h2>
        {takers.length > 0 && (
          <Button size="small" variant="secondary" onClick={() => ask(drawn())}>
            {words.orders.give}
          </Button>
        )}
      </div>
      {orders.data.length === 0 && <p className="none">{words.orders.none}</p>}
      <ul>
        {orders.data.map((order) => (
          <Order key={order.id} order={order} now={now} look={() => ask(order)} />
        ))}
      </ul>
      {typeof asking === "string" && <GiveDialog order={asking} page={page} takers={takers} done={done} />}
      {asking !== null && typeof asking !== "string" && <LookDialog order={asking} page={page} done={done} />}
    </section>
  );
}

/// 16 hexadecimal digits, not all 0.
function drawn(): string {
  const [high, low] = crypto.getRandomValues(new Uint32Array(2)) as unknown as [number, number];
  const digits = (n: number) => n.toString(16).padStart(8, "0");
  return digits(high) + digits(low || 1);
}

function Order({ order, now, look }: { order: OrderView; now: number; look: () => void }) {
  const words = useWords();
  const lookAt = TO_LOOK_AT.includes(order.state);
  return (
    <li className={lookAt ? "order-look" : undefined}>
      <p>
        <b>{asked(order.kind, order.data, words)}</b> <time>{format.when(order.issued_ms, now)}</time>
      </p>
      <p className="order-state">{standing(order, now, words)}</p>
      <p className="lead">
        {words.orders.by(order.ordered_by)}: {order.why}
      </p>
      {lookAt && (
        <Button size="small" onClick={look}>
          {words.orders.look}
        </Button>
      )}
    </li>
  );
}

/// How far it has come, in words with times.
function standing(order: OrderView, now: number, words: Words): string {
  const at = (t_ms: number | null) => (t_ms === null ? "" : format.when(t_ms, now));
  const { state } = words.orders;
  switch (order.state) {
    case "ordered":
      return state.ordered(at(order.expires_ms));
    case "received":
      return state.received(at(order.received_ms), at(order.expires_ms));
    case "sent":
      return state.sent(at(order.sent_ms));
    case "done":
      return state.done(at(order.ended_ms));
    case "refused":
      return state.refused(at(order.ended_ms), order.said ?? words.unknown);
    case "expired":
      return state.expired(at(order.expires_ms));
    case "unknown":
      return state.unknown;
    case "disputed":
      return state.disputed;
    case "looked_at": {
      const found = order.found === null ? words.unknown : words.orders.found[order.found];
      const looked = state.lookedAt(order.looked_by ?? words.unknown, at(order.looked_ms), found);
      return order.note ? `${looked} ${order.note}` : looked;
    }
  }
}
