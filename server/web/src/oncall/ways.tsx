/// How I am told when I am on call: a message at once, or push first and the message some minutes later.
import { Button, Radio, RadioGroup, TextField } from "@navikt/ds-react";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useWords } from "../i18n";
import { Notice } from "../parts";
import { type Ways, ask, useDo, whyNot } from "./asks";

export function WaysCard() {
  const words = useWords();
  const ways = useQuery({ queryKey: ["ways"], queryFn: ask.ways });
  return (
    <section className="card" aria-labelledby="ways">
      <h2 id="ways">{words.rota.oncall.ways}</h2>
      <p className="hint">{words.rota.oncall.waysWhat}</p>
      {ways.data && <Form ways={ways.data} />}
    </section>
  );
}

function Form({ ways }: { ways: Ways }) {
  const words = useWords();
  const sms = ways.ways.find((one) => one.channel === "sms");
  const [first, setFirst] = useState(ways.ways.some((one) => one.channel === "push") ? "push" : "sms");
  const [minutes, setMinutes] = useState(String((sms?.after_s ?? 0) / 60 || 2));
  const act = useDo(ask.chooseWays, ["ways"], words.rota.saved);
  const send = (event: FormEvent) => {
    event.preventDefault();
    const after_s = Number(minutes.replace(",", ".")) * 60;
    act.mutate({
      ways:
        first === "push"
          ? [
              { channel: "push", after_s: 0 },
              { channel: "sms", after_s },
            ]
          : [{ channel: "sms", after_s: 0 }],
    });
  };
  return (
    <form onSubmit={send} noValidate>
      <RadioGroup size="small" legend={words.rota.oncall.ways} hideLegend value={first} onChange={setFirst}>
        <Radio value="sms">{words.rota.oncall.smsOnly}</Radio>
        <Radio value="push">{words.rota.oncall.pushFirst}</Radio>
      </RadioGroup>
      {first === "push" && (
        <TextField
          size="small"
          inputMode="decimal"
          label={words.rota.oncall.smsAfter}
          value={minutes}
          onChange={(event) => setMinutes(event.target.value)}
        />
      )}
      {act.isError && <Notice>{whyNot(act.error, words)}</Notice>}
      <Button type="submit" size="small" variant="secondary" loading={act.isPending}>
        {words.rota.save}
      </Button>
    </form>
  );
}
