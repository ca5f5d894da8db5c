/// Orders to the patient's dispenser: what was ordered, how far each has come, and a dialog for a new one.
///
/// An order's id is drawn when its dialog opens, so pressing twice, or again after the answer was lost, is one order.
import { Button, Radio, RadioGroup, Select, TextField, Textarea } from "@navikt/ds-react";
import { type QueryClient, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { say } from "../announce";
import { type OrderLook, type OrderNew, type OrderView, type PatientPage, Refused, api } from "../api";
import * as format from "../format";
import { type Words, useWords } from "../i18n";
import { FailedToLoad } from "../parts";
import { Frame, text } from "./dialogs";

/// The kinds that the page can give. A schedule needs an editor of its own.
const GIVEN = ["dispense", "lock", "unlock", "test"] as const;
type Given = (typeof GIVEN)[number];

const TO_LOOK_AT: readonly OrderView["state"][] = ["unknown", "disputed"];
const MOST_COMPARTMENTS = 254;
const LEAST_WHY = 3;

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

/// What was ordered: "Give an extra dose now, from compartment 3".
function asked(kind: OrderView["kind"], data: OrderView["data"], words: Words): string {
  const from = data["compartment"];
  return words.orders.kinds[kind] + (from === undefined ? "" : words.orders.from(String(from)));
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

function useOrder<T>(id: string, send: (said: T) => Promise<OrderView>, done: () => void, told: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: send,
    networkMode: "always",
    onSuccess: () => {
      say("polite", told);
      done();
      renew(queries, id);
    },
    onError: (error) => {
      if (!(error instanceof Refused)) return;
      renew(queries, id);
      if (error.status === 401) void queries.invalidateQueries({ queryKey: ["session"] });
    },
  });
}

const renew = (queries: QueryClient, id: string) => void queries.invalidateQueries({ queryKey: ["patient", id] });

interface GiveProps {
  order: string;
  page: PatientPage;
  takers: PatientPage["devices"];
  done: () => void;
}

/// First what and why, then once more in one sentence: nothing is ordered by one press.
function GiveDialog({ order, page, takers, done }: GiveProps) {
  const words = useWords();
  const { id, name } = page.patient;
  const act = useOrder(id, (said: OrderNew) => api.order(id, said), done, words.orders.given);
  const [device, setDevice] = useState(takers.length === 1 ? (takers[0]?.id ?? "") : "");
  const [kind, setKind] = useState<Given | "">("");
  const [compartment, setCompartment] = useState("");
  const [why, setWhy] = useState("");
  const [wrong, setWrong] = useState<ReadonlySet<string>>(new Set());
  const [sure, setSure] = useState<OrderNew | null>(null);
  const kinds = GIVEN.filter((one) => takers.find((taker) => taker.id === device)?.orders.includes(one));
  const from = Number(compartment);

  const check = () => {
    const lacks = new Set<string>();
    if (!device) lacks.add("device");
    if (!kind) lacks.add("kind");
    if (kind === "dispense" && !(Number.isInteger(from) && from >= 1 && from <= MOST_COMPARTMENTS))
      lacks.add("compartment");
    if (why.trim().length < LEAST_WHY) lacks.add("why");
    setWrong(lacks);
    if (lacks.size > 0 || !kind) return;
    setSure({ id: order, device, kind, why: why.trim(), ...(kind === "dispense" ? { compartment: from } : {}) });
  };
  const error = (field: "device" | "kind" | "compartment" | "why") =>
    wrong.has(field) ? words.orders.wrong[field] : undefined;

  if (sure) {
    const data: OrderView["data"] = sure.compartment ? { compartment: sure.compartment } : {};
    return (
      <Frame
        key="sure"
        title={words.orders.dialog(name)}
        error={act.error}
        busy={act.isPending}
        submit={words.orders.send}
        onSubmit={() => act.mutate(sure)}
        done={done}
        back={() => {
          act.reset();
          setSure(null);
        }}
      >
        <p>
          <b>{asked(sure.kind, data, words)}</b>
        </p>
        <p>{words.orders.sure(sure.device, name)}</p>
        <p>
          {words.orders.why} {sure.why}
        </p>
        <p className="lead">{words.orders.once}</p>
      </Frame>
    );
  }
  return (
    <Frame
      title={words.orders.dialog(name)}
      error={null}
      busy={false}
      submit={words.orders.next}
      onSubmit={check}
      done={done}
    >
      {takers.length > 1 && (
        <Select
          size="small"
          label={words.orders.device}
          value={device}
          error={error("device")}
          onChange={(event) => setDevice(event.currentTarget.value)}
        >
          <option value="">{words.act.choose}</option>
          {takers.map((taker) => (
            <option key={taker.id} value={taker.id}>
              {taker.id}
            </option>
          ))}
        </Select>
      )}
      <RadioGroup
        size="small"
        className="order-kind"
        legend={words.orders.what}
        value={kind}
        error={error("kind")}
        onChange={(value) => setKind(value as Given)}
      >
        {kinds.map((one) => (
          <Radio key={one} value={one}>
            {words.orders.kinds[one]}
          </Radio>
        ))}
      </RadioGroup>
      {kind === "dispense" && (
        <TextField
          size="small"
          className="order-field"
          label={words.orders.compartment}
          description={words.orders.compartmentWhat}
          inputMode="numeric"
          htmlSize={6}
          value={compartment}
          error={error("compartment")}
          onChange={(event) => setCompartment(event.currentTarget.value)}
        />
      )}
      <Textarea
        size="small"
        label={words.orders.why}
        description={words.orders.whyWhat}
        maxLength={500}
        minRows={2}
        value={why}
        error={error("why")}
        onChange={(event) => setWhy(event.currentTarget.value)}
      />
    </Frame>
  );
}

/// Somebody has looked, and says what they found.
function LookDialog({ order, page, done }: { order: OrderView; page: PatientPage; done: () => void }) {
  const words = useWords();
  const { id, name } = page.patient;
  const [missing, setMissing] = useState(false);
  const act = useOrder(id, (said: OrderLook) => api.lookedAtOrder(id, order.id, said), done, words.orders.settled);
  const send = (form: FormData) => {
    const found = text(form, "found");
    setMissing(!found);
    if (found) act.mutate({ found: found as OrderLook["found"], note: text(form, "note") });
  };
  return (
    <Frame
      title={words.orders.lookDialog(name)}
      error={act.error}
      busy={act.isPending}
      submit={words.orders.lookDo}
      onSubmit={send}
      done={done}
    >
      <p>
        <b>{asked(order.kind, order.data, words)}</b>, {format.dateTime(order.issued_ms)}
      </p>
      <RadioGroup
        size="small"
        name="found"
        className="order-kind"
        legend={words.orders.foundWhat}
        error={missing ? words.act.chooseMissing : undefined}
      >
        {(Object.keys(words.orders.found) as OrderLook["found"][]).map((one) => (
          <Radio key={one} value={one}>
            {words.orders.found[one]}
          </Radio>
        ))}
      </RadioGroup>
      <Textarea
        size="small"
        name="note"
        label={words.act.note}
        description={words.act.noteWhat}
        maxLength={2000}
        minRows={2}
      />
    </Frame>
  );
}
