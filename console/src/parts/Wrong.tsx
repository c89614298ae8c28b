import { Icon } from './Icon.tsx'

/** What is wrong with what was given, if anything. */
export const Wrong = ({ id, text }: { id?: string; text: string | undefined }) =>
  text && (
    <span className="wrong" id={id} role="alert">
      <Icon name="failed" small />
      {text}
    </span>
  )
