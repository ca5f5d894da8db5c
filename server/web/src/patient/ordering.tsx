/// Giving an order, and settling one that nobody knows the end of.
import { Radio, RadioGroup, Select, TextField, Textarea } from "@navikt/ds-react";
import { useState } from "react";
import { type OrderLook, type OrderNew, type OrderView, type PatientPage, api } from "../api";
import * as format from "../format";
import { useWords } from "../i18n";
import { useSaying } from "../saying";
import { Frame, Note, text } from "./dialogs";
import { GIVEN, type Given, asked } from "./order";

const MOST_COMPARTMENTS = 254;
const LEAST_WHY = 3;

interface GiveProps {
  order: string;
  page: PatientPage;
  takers: PatientPage["devices"];
  done: () => void;
}

/// First what and why, then once more in one sentence: nothing is ordered by one press.
export function GiveDialog({ order, page, takers, done }: GiveProps) {
  const words = useWords();
  const { id, name } = page.patient;
  const act = useSaying(id, (said: OrderNew) => api.order(id, said), words.orders.given, done);
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
export function LookDialog({ order, page, done }: { order: OrderView; page: PatientPage; done: () => void }) {
  const words = useWords();
  const { id, name } = page.patient;
  const [missing, setMissing] = useState(false);
  const act = useSaying(id, (said: OrderLook) => api.lookedAtOrder(id, order.id, said), words.orders.settled, done);
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
      <Note />
    </Frame>
  );
}
