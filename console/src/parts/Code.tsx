import { visible } from '../words/visible.ts'

/** A text in which what is between backquotes is code. */
export const Code = ({ text }: { text: string }) =>
  visible(text)
    .split('`')
    .map((part, index) => (index % 2 ? <code key={index}>{part}</code> : part))
