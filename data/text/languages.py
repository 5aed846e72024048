"""The languages of the sentence splitter, sentencex, and their codes.

sentencex silently splits an unknown language as English, so it gets only the
codes that are listed here. `docs/pretraining.md` lists them.
"""

import re

from system.errors import UserError

_TAG = re.compile('([a-z]{2,3})(-[a-z0-9]{1,8})*')
# The codes for which sentencex 1.0 has rules, its own or those of a related
# language.
WITH_RULES = frozenset(
  'aae ab abs ace acm ady aeb aeb-arab aln als alt am ami an anp apc ar arn '
  'arq ary arz ast atj av avk awa ay azb ba ban ban-bali bar bat-smg bbc '
  'bbc-latn bcc bci bdr be-tarask be-x-old bew bg bgn bh bjn blk bm bn bpy '
  'bqi btm bug bug-bugi bxr ca cbk-zam cdo cdo-hant cdo-latn ce co cpx '
  'cpx-hans cpx-hant crh crh-cyrl crh-latn cs csb cv da de de-at de-ch '
  'de-formal dsb dtp dty dua egl el eml en es es-formal ext fi fit fiu-vro '
  'fon fr frc frp frr fur gag gan gan-hans gan-hant gcf gcr gl gld glk gn gom '
  'gom-deva gor gsw gu guc hak hi hif hke hrx hsb hsn ht hu-formal hy hyw iba '
  'ii ike-cans ike-latn inh io it iu ja jut jv kaa kab kbd kbp kea kge khw '
  'kiu kjh kjp kk kk-arab kk-cn kk-cyrl kk-kz kk-latn kk-tr kl kn ko-kp koi '
  'kr krc krl ks ksh ksw ku ku-arab ku-latn kum kv lad lb lbe lez li lij liv '
  'ljp lki lld lmo ln lrc ltg lua luz lzh lzz mad mag mai map-bms mdf mg mhr '
  'min ml mnc-latn mnc-mong mnw mo mr mrj ms-arab mui mwl my myv mzn nah nan '
  'nan-hant nan-latn-pehoeji nan-latn-tailo nap nb nds nds-nl nia nl '
  'nl-informal nn no nrm nyo oc olo os pa pcd pdc pdt pfl pl pms pnt pt pt-br '
  'pwn qu qug rgn rm rmy roa-rup roa-tara rsk ru rue rup ruq ruq-cyrl '
  'ruq-latn rut sa sah scn sdc sdh se se-fi se-no se-se ses sg sgs sh sh-cyrl '
  'sh-latn shi shy shy-latn sjd sk skr skr-arab sli sma smn sr sr-cyrl sr-ec '
  'sr-el sr-latn srn sro stq sty su szl szy ta tay tcy te tet tg tg-cyrl '
  'tg-latn trv tt tt-cyrl ttj ty tyv udm ug uk vec vep vls vmf vmw vot vro wa '
  'wls wo wuu wuu-hans wuu-hant xal xmf yi yue yue-hans yue-hant za '
  'zh-classical zh-cn zh-hans zh-hant zh-hk zh-min-nan zh-mo zh-my zh-sg '
  'zh-tw zh-yue'.split()
)
# The codes of ISO 639-1.
TWO_LETTER_CODES = frozenset(
  'aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch '
  'co cr cs cu cv cy da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga '
  'gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja '
  'jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv '
  'mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or '
  'os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq '
  'sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve '
  'vi vo wa wo xh yi yo za zh zu'.split()
)
# The three-letter codes, of ISO 639-2, of the languages that sentencex has
# rules for but knows only by two letters.
_SHORT_CODES = dict(
  pair.split('=')
  for pair in (
    'amh=am ara=ar arm=hy ben=bn bul=bg bur=my cat=ca chi=zh dan=da deu=de '
    'dut=nl ell=el eng=en fin=fi fra=fr fre=fr ger=de gre=el guj=gu hin=hi '
    'hye=hy ita=it jpn=ja kan=kn kaz=kk mal=ml mar=mr mya=my nld=nl pan=pa '
    'pol=pl por=pt rus=ru slk=sk slo=sk spa=es tam=ta tel=te ukr=uk zho=zh'
  ).split()
)


def resolve(language: str) -> str:
  """Returns the code by which sentencex knows a language.

  Args:
    language: a language code such as 'pt-br' or 'en-US'. Upper and lower case
      are equal; a region or script without its own rules is ignored.

  Raises:
    UserError: the code is unknown.
  """
  found = _TAG.fullmatch(language.lower())
  if not found:
    raise UserError(
      f"`language`={language}: expected a language code, 'en' or 'pt-br'"
    )
  if short := _SHORT_CODES.get(found[1]):
    raise UserError(
      f'`language`={language}: expected the code of two letters, {short!r}'
    )
  code = found[0]
  while code:
    if code in WITH_RULES or code in TWO_LETTER_CODES:
      return code
    code = code.rpartition('-')[0]
  raise UserError(
    f'`language`={language}: the sentence splitter does not know '
    f'{found[1]!r}; docs/pretraining.md lists the codes that it knows. For a '
    'language whose sentences end as in English give en'
  )
