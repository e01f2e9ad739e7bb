#pragma once

#include "CoreMinimal.h"
#include "Features/IModularFeatures.h"
#include "LiveLinkTypes.h"

class ULiveLinkRole;

class ILiveLinkClient : public IModularFeature
{
public:
	virtual ~ILiveLinkClient() = default;
	static FName ModularFeatureName;
	virtual void RemoveSubject_AnyThread(const FLiveLinkSubjectKey& SubjectName) = 0;
	virtual void PushSubjectStaticData_AnyThread(const FLiveLinkSubjectKey& SubjectKey, TSubclassOf<ULiveLinkRole> Role,
		FLiveLinkStaticDataStruct&& StaticData) = 0;
	virtual void PushSubjectFrameData_AnyThread(const FLiveLinkSubjectKey& SubjectKey, FLiveLinkFrameDataStruct&& FrameData) = 0;
	virtual bool EvaluateFrame_AnyThread(FLiveLinkSubjectName SubjectName, TSubclassOf<ULiveLinkRole> Role, FLiveLinkSubjectFrameData& OutFrame) = 0;
};
