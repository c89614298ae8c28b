// Icons of 16 × 16, drawn in strokes of the ink around them. Those of a status are told apart by their shape.
export type Shape = readonly [tag: 'path' | 'circle' | 'rect', attributes: Readonly<Record<string, string>>]

export const ICONS: Readonly<Record<string, readonly Shape[]>> = {
  succeeded: [
    ['circle', { cx: '8', cy: '8', r: '6.25' }],
    ['path', { d: 'm5.4 8.2 1.8 1.8 3.5-3.9' }],
  ],
  failed: [
    ['path', { d: 'M5.4 1.75h5.2l3.65 3.65v5.2l-3.65 3.65H5.4L1.75 10.6V5.4z' }],
    ['path', { d: 'm5.9 5.9 4.2 4.2m0-4.2-4.2 4.2' }],
  ],
  running: [
    ['circle', { cx: '8', cy: '8', r: '6.25', opacity: '.25' }],
    ['path', { className: 'spin', d: 'M8 1.75A6.25 6.25 0 0 1 14.25 8' }],
  ],
  paused: [
    ['circle', { cx: '8', cy: '5.2', r: '2.7' }],
    ['path', { d: 'M2.8 14c.5-2.9 2.5-4.6 5.2-4.6s4.7 1.7 5.2 4.6' }],
  ],
  partial: [
    ['path', { d: 'M8 2 14.3 13.2H1.7z' }],
    ['path', { d: 'M8 6.4v3.1m0 1.8v.01' }],
  ],
  exception: [
    ['path', { d: 'M8 2 14.3 13.2H1.7z' }],
    ['path', { d: 'M8 6.4v3.1m0 1.8v.01' }],
  ],
  stopped: [
    ['rect', { x: '2.75', y: '2.75', width: '10.5', height: '10.5', rx: '2' }],
    ['path', { d: 'M5.5 8h5' }],
  ],
  queued: [['circle', { cx: '8', cy: '8', r: '6.25', strokeDasharray: '1.6 2.33' }]],
  waiting: [['circle', { cx: '8', cy: '8', r: '6.25', strokeDasharray: '1.6 2.33' }]],
  skipped: [['path', { d: 'M2.5 8h2.2m2.2 0h2.2m2.2 0h2.2' }]],
  start: [['path', { d: 'M3 13V6.8L8 3l5 3.8V13H9.8V9.6H6.2V13z' }]],
  end: [['path', { d: 'M4 14V2.5m0 .5h8l-1.8 2.7L12 8.5H4' }]],
  llm: [['path', { d: 'M8 1.8 9.4 6 13.8 8l-4.4 2L8 14.2 6.6 10 2.2 8l4.4-2z' }]],
  code: [['path', { d: 'm5.2 4.5-3.4 3.5 3.4 3.5m5.6-7 3.4 3.5-3.4 3.5M9.2 3 6.8 13' }]],
  iteration: [
    ['path', { d: 'M2.5 9.5a5.5 5.5 0 0 0 10.4 1.4M13.5 6.5A5.5 5.5 0 0 0 3.1 5.1' }],
    ['path', { d: 'M2.8 2.2v3.1h3.1m7.3 8.5v-3.1h-3.1' }],
  ],
  'iteration-start': [['path', { d: 'M3 13V6.8L8 3l5 3.8V13H9.8V9.6H6.2V13z' }]],
  'if-else': [
    ['path', { d: 'M2 8h3.5L9 4h5M5.5 8 9 12h5' }],
    ['path', { d: 'm12 2 2 2-2 2m0 4 2 2-2 2' }],
  ],
  'human-input': [
    ['circle', { cx: '8', cy: '5.2', r: '2.7' }],
    ['path', { d: 'M2.8 14c.5-2.9 2.5-4.6 5.2-4.6s4.7 1.7 5.2 4.6' }],
  ],
  'template-transform': [['path', { d: 'M3 3h10M3 3v2m10-2v2M8 3v10m-2 0h4' }]],
  'http-request': [
    ['circle', { cx: '8', cy: '8', r: '6' }],
    ['path', { d: 'M2 8h12M8 2c2 1.8 2.6 4 2.6 6S10 12.200 8 14c-2-1.800-2.600-4-2.600-6S6 3.800 8 2' }],
  ],
  'variable-aggregator': [['path', { d: 'M2 3.500h3.500L8 8l-2.500 4.500H2M8 8h6m-2-2 2 2-2 2' }]],
  'parameter-extractor': [['path', { d: 'M2.500 3.500h11M4.500 8h7M6.500 12.500h3' }]],
  answer: [['path', { d: 'M2 3h12v8.500H7L4 14v-2.500H2z' }]],
  tool: [
    [
      'path',
      {
        d: 'M9.800 2.400a3.600 3.600 0 0 0-3.300 5L2.300 11.600l2.100 2.100 4.200-4.200a3.600 3.600 0 0 0 5-3.300L11.400 8 8.700 7.300 8 4.600z',
      },
    ],
  ],
  play: [['path', { d: 'M4.500 2.800v10.400L13 8z' }]],
  pause: [['path', { d: 'M5.300 3v10m5.400-10v10' }]],
  stop: [['rect', { x: '3.500', y: '3.500', width: '9', height: '9', rx: '1.500' }]],
  back: [['path', { d: 'M10 3 5 8l5 5' }]],
  fwd: [['path', { d: 'm6 3 5 5-5 5' }]],
  again: [['path', { d: 'M2.500 8a5.500 5.500 0 1 0 1.700-4M2.500 2.500V5.500h3' }]],
  search: [
    ['circle', { cx: '7', cy: '7', r: '4.500' }],
    ['path', { d: 'm10.500 10.500 3.500 3.500' }],
  ],
  sun: [
    ['circle', { cx: '8', cy: '8', r: '3' }],
    [
      'path',
      {
        d: 'M8 1.500v1.300m0 10.400v1.300M1.500 8h1.300m10.400 0h1.300M3.400 3.400l.9.900m7.400 7.400.9.900m0-9.200-.9.900m-7.400 7.400-.9.900',
      },
    ],
  ],
  flows: [
    ['rect', { x: '1.800', y: '5.800', width: '4.400', height: '4.400', rx: '1.200' }],
    ['rect', { x: '9.800', y: '1.800', width: '4.400', height: '4.400', rx: '1.200' }],
    ['rect', { x: '9.800', y: '9.800', width: '4.400', height: '4.400', rx: '1.200' }],
    ['path', { d: 'M6.200 8H8m1.800-4H8v8h1.800' }],
  ],
  runs: [['path', { d: 'M2 4h7M5 8h9M3 12h6' }]],
  chat: [['path', { d: 'M2 3h12v8.500H7L4 14v-2.500H2z' }]],
  system: [
    ['rect', { x: '2', y: '2.500', width: '12', height: '4.500', rx: '1.200' }],
    ['rect', { x: '2', y: '9', width: '12', height: '4.500', rx: '1.200' }],
    ['path', { d: 'M4.500 4.750v.01m0 6.500v.01' }],
  ],
  more: [['path', { d: 'M3.500 8v.01M8 8v.01m4.500-.01v.01', strokeWidth: '2.200' }]],
  copy: [
    ['rect', { x: '5.500', y: '5.500', width: '8', height: '8', rx: '1.500' }],
    ['path', { d: 'M10.500 5.500v-2a1 1 0 0 0-1-1h-6a1 1 0 0 0-1 1v6a1 1 0 0 0 1 1h2' }],
  ],
  expand: [['path', { d: 'M9.500 3H13v3.500M6.500 13H3V9.500M13 3 9 7M3 13l4-4' }]],
  edit: [['path', { d: 'M3 13l.6-2.600L10.500 3.500l2 2-6.900 6.900z' }]],
  download: [['path', { d: 'M8 2v8m-3-3 3 3 3-3M2.500 13.500h11' }]],
  upload: [['path', { d: 'M8 10.500V2.500m-3 3 3-3 3 3M2.500 13.500h11' }]],
  fit: [['path', { d: 'M2.500 6v-3.500H6m4 0h3.500V6m0 4v3.500H10m-4 0H2.500V10' }]],
  plus: [['path', { d: 'M8 3v10M3 8h10' }]],
  minus: [['path', { d: 'M3 8h10' }]],
  chev: [['path', { d: 'm6 4 4 4-4 4' }]],
  down: [['path', { d: 'm4 6 4 4 4-4' }]],
  key: [
    ['circle', { cx: '5.200', cy: '10.800', r: '3' }],
    ['path', { d: 'm7.400 8.600 6-6M11 5l1.800 1.800' }],
  ],
  clock: [
    ['circle', { cx: '8', cy: '8', r: '6.250' }],
    ['path', { d: 'M8 4.500V8l2.300 1.700' }],
  ],
  link: [
    [
      'path',
      {
        d: 'M6.500 9.500 9.500 6.500M7 4.500l1.700-1.700a3.200 3.200 0 0 1 4.500 4.500L11.500 9M9 11.500l-1.700 1.700a3.200 3.200 0 0 1-4.500-4.500L4.500 7',
      },
    ],
  ],
  close: [['path', { d: 'm3.500 3.500 9 9m0-9-9 9' }]],
  file: [
    ['path', { d: 'M4 1.800h5L12.500 5.300v8.900H4z' }],
    ['path', { d: 'M9 1.800v3.500h3.500' }],
  ],
  send: [['path', { d: 'M8 13V3M3.500 7.500 8 3l4.500 4.500' }]],
  diff: [['path', { d: 'M5 2.500v11M2.500 5H7.500M11 2.500v11m-2.500-2.500h5' }]],
  follow: [
    ['circle', { cx: '8', cy: '8', r: '2' }],
    ['path', { d: 'M8 1.500v2.500m0 8v2.500M1.500 8H4m8 0h2.500' }],
  ],
  moon: [['path', { d: 'M13.2 9.6A5.8 5.8 0 0 1 6.4 2.8a5.8 5.8 0 1 0 6.8 6.8z' }]],
  trash: [['path', { d: 'M2.5 4.5h11M6 4.500V2.500h4v2M4 4.500l.6 9h6.800l.6-9M6.600 7v4m2.800-4v4' }]],
  book: [
    [
      'path',
      {
        d: 'M3 2.500h8.500a1.500 1.500 0 0 1 1.500 1.500v9.500H4.500A1.500 1.500 0 0 1 3 12zM3 12a1.500 1.500 0 0 1 1.500-1.500H13',
      },
    ],
  ],
  out: [['path', { d: 'M9.500 3H13v10H9.500M2.500 8h7m-2.500-2.500L9.500 8 7 10.500' }]],
  loop: [['path', { d: 'M3 8a5 5 0 0 1 9-3m1-2.500V5.500H10M13 8a5 5 0 0 1-9 3m-1 2.500V10.500H6' }]],
  'knowledge-retrieval': [
    [
      'path',
      { d: 'M3 2.500h8.500a1.500 1.500 0 0 1 1.500 1.500v9.500H4.500A1.500 1.500 0 0 1 3 12zM6 6h4M6 8.500h2.500' },
    ],
  ],
  'question-classifier': [
    ['circle', { cx: '8', cy: '8', r: '6' }],
    ['path', { d: 'M6.200 6.300a1.900 1.900 0 1 1 2.600 1.800c-.6.300-.8.600-.8 1.300m0 2v.01' }],
  ],
  'document-extractor': [
    ['path', { d: 'M4 1.800h5L12.500 5.300v8.900H4zM9 1.800v3.500h3.500M6 8.500h4.500M6 11h4.500' }],
  ],
  'list-operator': [['path', { d: 'M5.500 4h8m-8 4h8m-8 4h8M2.500 4v.01M2.500 8v.01M2.500 12v.01' }]],
  agent: [
    ['rect', { x: '3', y: '5', width: '10', height: '8', rx: '2' }],
    ['path', { d: 'M8 2.200V5M6 8.500v.01m4-.01v.01M6 11h4' }],
  ],
  assigner: [['path', { d: 'M2.500 6h11m-11 4h11' }]],
  globe: [
    ['circle', { cx: '8', cy: '8', r: '6' }],
    ['path', { d: 'M2 8h12M8 2c2 1.8 2.6 4 2.6 6S10 12.2 8 14c-2-1.8-2.6-4-2.6-6S6 3.8 8 2' }],
  ],
  bolt: [['path', { d: 'M9 1.800 3.500 9H8l-1 5.200L12.500 7H8z' }]],
  'trigger-webhook': [['path', { d: 'M9 1.800 3.500 9H8l-1 5.200L12.500 7H8z' }]],
  'trigger-schedule': [
    ['circle', { cx: '8', cy: '8', r: '6.250' }],
    ['path', { d: 'M8 4.500V8l2.300 1.700' }],
  ],
  chart: [['path', { d: 'M2.500 2v11.500H14M5.500 11V8m3 3V4.500m3 6.500V6.500' }]],
  check: [['path', { d: 'm3 8.500 3.300 3.300L13 4.500' }]],
}
