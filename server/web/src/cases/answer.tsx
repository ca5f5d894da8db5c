/// The answer to a case: coded, in words, and where measurements are wanted, which.
import { Button, Checkbox, CheckboxGroup, Radio, RadioGroup, Textarea } from "@navikt/ds-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { explain } from "../acts";
import { say } from "../announce";
import { type CaseView, type ReplyBody, Refused, api } from "../api";
import { useRoomWords, useSay } from "../i18n";
import { text } from "../patient/dialogs";
import { Notice } from "../parts";

type Answer = ReplyBody["answer"];

export function Reply({ one }: { one: CaseView }) {
  const words = useRoomWords();
  const { cases } = words;
  const inWords = useSay();
  const queries = useQueryClient();
  const [answer, choose] = useState<Answer | "">("");
  const [missing, setMissing] = useState<ReadonlySet<string>>(new Set());
  const reply = useMutation({
    mutationFn: (body: ReplyBody) => api.answerCase(one.id, body),
    networkMode: "always",
    onSuccess: () => {
      say("polite", cases.sentAnswer);
      void queries.invalidateQueries({ queryKey: ["cases"] });
      void queries.invalidateQueries({ queryKey: ["patient", one.patient.id] });
    },
    onError: (error) => {
      if (error instanceof Refused) void queries.invalidateQueries({ queryKey: ["cases"] });
    },
  });
  const send = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const said = text(form, "text").trim();
    const measure = answer === "measure" ? form.getAll("measure").map(String) : [];
    const lacks = [
      answer ? "" : "answer",
      answer === "advise" && !said ? "text" : "",
      answer === "measure" && measure.length === 0 ? "measure" : "",
    ].filter(Boolean);
    setMissing(new Set(lacks));
    if (lacks.length > 0 || !answer) return;
    reply.mutate({ answer, text: said, measure });
  };
  return (
    <form className="case-reply" aria-label={cases.answerFor(one.id)} onSubmit={send} noValidate>
      <RadioGroup
        size="small"
        legend={cases.answer}
        value={answer}
        onChange={(value) => choose(value as Answer)}
        error={missing.has("answer") ? words.life.chooseMissing : undefined}
      >
        {Object.entries(cases.answers).map(([value, shown]) => (
          <Radio key={value} value={value} description={cases.answerWhat[value as Answer]}>
            {shown}
          </Radio>
        ))}
      </RadioGroup>
      {answer === "measure" &&
        (one.may_measure.length > 0 ? (
          <CheckboxGroup
            size="small"
            legend={cases.measure}
            error={missing.has("measure") ? cases.measureMissing : undefined}
          >
            {one.may_measure.map(({ channel, label }) => (
              <Checkbox key={channel} name="measure" value={channel}>
                {inWords(label)}
              </Checkbox>
            ))}
          </CheckboxGroup>
        ) : (
          <p className="none">{cases.measureNone}</p>
        ))}
      <Textarea
        size="small"
        name="text"
        label={cases.text}
        maxLength={2000}
        minRows={2}
        error={missing.has("text") ? cases.textMissing : undefined}
      />
      {reply.isError && (
        <Notice>
          <p>{explain(reply.error, words)}</p>
        </Notice>
      )}
      <Button type="submit" size="small" loading={reply.isPending}>
        {cases.send}
      </Button>
    </form>
  );
}
